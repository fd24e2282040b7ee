#include "ops/patches.h"

#include <string>

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {

void patchify(Stream& stream, const Tensor& pixels, int64_t patch, Tensor& out) {
  const Checks check("patchify", stream);
  check.that(pixels.shape.rank() == 3, "dimensions of pixels", "3", pixels.shape.rank());
  check.tensor("pixels", pixels, {DType::kF32}, pixels.shape);
  check.that(pixels.dense(), "stride of pixels", "dense", pixels.row_stride);
  const int64_t channels = pixels.shape[0], height = pixels.shape[1], width = pixels.shape[2];
  check.that(patch >= 1, "patch", "at least 1", patch);
  check.that(height % patch == 0, "height", "a multiple of " + std::to_string(patch), height);
  check.that(width % patch == 0, "width", "a multiple of " + std::to_string(patch), width);
  check.tensor("out", out, {DType::kF32},
               {height / patch * (width / patch), channels * patch * patch});

  launch(
      stream, {.bytes = 8 * static_cast<double>(out.shape.elements())},
      [=](WorkerPool& pool) { patchify_cpu(pool, pixels, patch, out); },
      [=](auto& queue) { patchify_cuda(queue, pixels, patch, out); });
}

}  // namespace tessera
