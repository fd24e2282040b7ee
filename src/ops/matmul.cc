#include "ops/matmul.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/launch.h"

namespace tessera {

void matmul(Stream& stream, const Tensor& x, const PackedMatrix& w, const MatmulOptions& options,
            Tensor& out) {
  const Checks check("matmul", stream);
  check.weights("w", w);
  check.matrix("x", x, {DType::kF32});
  const int64_t rows = x.shape[0];
  check.tensor("x", x, {DType::kF32}, {rows, w.in});
  check.tensor("out", out, {DType::kF32}, {rows, w.out});
  const Tensor bias = options.bias != nullptr ? *options.bias : Tensor();
  if (options.bias != nullptr) check.tensor("bias", bias, {DType::kF32}, {w.out});
  const bool add_to_out = options.add_to_out;

  const auto r = static_cast<double>(rows), in = static_cast<double>(w.in),
             o = static_cast<double>(w.out);
  const Cost cost = {.flops = 2 * r * in * o,
                     .bytes = static_cast<double>(PackedMatrix::bytes(w.dtype, w.out, w.in)) +
                              4 * r * (in + (add_to_out ? 2 : 1) * o)};
  const Isa isa = stream.device().info().isa;
  launch(stream, cost,
         [=](WorkerPool& pool) { matmul_cpu(pool, isa, x, w, bias, add_to_out, out); });
}

}  // namespace tessera
