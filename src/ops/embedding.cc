#include "ops/embedding.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {

void embedding(Stream& stream, const Tensor& ids, const Tensor& table, Tensor& out) {
  const Checks check("embedding", stream);
  check.matrix("table", table, {DType::kF32, DType::kBF16});
  check.matrix("out", out, {DType::kF32});
  const int64_t rows = out.shape[0], hidden = table.shape[1];
  check.tensor("ids", ids, {DType::kI32}, {rows});
  check.tensor("out", out, {DType::kF32}, {rows, hidden});

  const auto row_bytes = static_cast<double>(hidden * (4 + dtype_bytes(table.dtype)));
  launch(
      stream, {.bytes = static_cast<double>(rows) * row_bytes},
      [=](WorkerPool& pool) { embedding_cpu(pool, ids, table, out); },
      [=](auto& queue) { embedding_cuda(queue, ids, table, out); });
}

}  // namespace tessera
