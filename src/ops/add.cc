#include "ops/add.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {

void add(Stream& stream, const Tensor& x, const Tensor& y, Tensor& out) {
  const Checks check("add", stream);
  check.matrix("x", x, {DType::kF32});
  check.matrix("y", y, {DType::kF32});
  const int64_t y_rows = y.shape[0] == 1 ? 1 : x.shape[0];
  check.tensor("y", y, {DType::kF32}, {y_rows, x.shape[1]});
  check.tensor("out", out, {DType::kF32}, x.shape);

  const auto elements = static_cast<double>(x.shape.elements());
  launch(
      stream, {.flops = elements, .bytes = 12 * elements},
      [=](WorkerPool& pool) { add_cpu(pool, x, y, out); },
      [=](auto& queue) { add_cuda(queue, x, y, out); });
}

void copy_rows(Stream& stream, const Tensor& x, Tensor& out) {
  const Checks check("copy_rows", stream);
  check.matrix("x", x, {DType::kF32, DType::kBF16});
  check.tensor("out", out, {DType::kF32}, x.shape);

  const auto elements = static_cast<double>(x.shape.elements());
  launch(
      stream, {.bytes = static_cast<double>(4 + dtype_bytes(x.dtype)) * elements},
      [=](WorkerPool& pool) { copy_rows_cpu(pool, x, out); },
      [=](auto& queue) { copy_rows_cuda(queue, x, out); });
}

}  // namespace tessera
