#include "ops/rope.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {

void rope(Stream& stream, Tensor& x, const Tensor& positions, int64_t heads, int64_t head_dim,
          const Tensor& inv_freq) {
  const Checks check("rope", stream);
  check.matrix("x", x, {DType::kF32});
  check.that(head_dim >= 2 && head_dim % 2 == 0, "head_dim", "an even number", head_dim);
  check.tensor("x", x, {DType::kF32}, {x.shape[0], heads * head_dim});
  check.tensor("positions", positions, {DType::kI32}, {x.shape[0]});
  check.tensor("inv_freq", inv_freq, {DType::kF32}, {head_dim / 2});

  const Isa isa = stream.device().info().isa;
  const auto elements = static_cast<double>(x.shape.elements());
  launch(
      stream, {.flops = 3 * elements, .bytes = 8 * elements},
      [=](WorkerPool& pool) { rope_cpu(pool, isa, x, positions, heads, head_dim, inv_freq); },
      [=](auto& queue) { rope_cuda(queue, x, positions, heads, head_dim, inv_freq); });
}

}  // namespace tessera
