#include <cstring>

#include "ops/cpu.h"

namespace tessera {

void patchify_cpu(WorkerPool& pool, const Tensor& pixels, int64_t patch, const Tensor& out) {
  const int64_t channels = pixels.shape[0], height = pixels.shape[1], width = pixels.shape[2];
  const int64_t across = width / patch;
  const auto line_bytes = static_cast<size_t>(patch) * sizeof(float);
  pool.for_each(out.shape[0], [&](int64_t p) {
    const int64_t top = p / across * patch, left = p % across * patch;
    float* to = out.f32(p);
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t ky = 0; ky < patch; ++ky, to += patch)
        std::memcpy(to, pixels.f32() + (c * height + top + ky) * width + left, line_bytes);
  });
}

}  // namespace tessera
