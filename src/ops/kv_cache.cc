#include "ops/kv_cache.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/launch.h"

namespace tessera {

uint64_t KvPages::bytes(DType dtype, int64_t blocks, int64_t kv_heads, int64_t head_dim) {
  const KvPages shape = {.dtype = dtype, .kv_heads = kv_heads, .head_dim = head_dim};
  return static_cast<uint64_t>(blocks * shape.block_elements() * dtype_bytes(dtype));
}

void kv_append(Stream& stream, const Tensor& k, const Tensor& v, const BatchRows& rows,
               KvPages& pages) {
  const Checks check("kv_append", stream);
  check.pages("pages", pages);
  check.matrix("k", k, {DType::kF32});
  const int64_t count = k.shape[0], width = pages.kv_heads * pages.head_dim;
  check.tensor("k", k, {DType::kF32}, {count, width});
  check.tensor("v", v, {DType::kF32}, {count, width});
  check.batch_rows(rows, count);

  const auto elements = static_cast<double>(2 * count * width);
  launch(stream, {.bytes = elements * static_cast<double>(4 + dtype_bytes(pages.dtype))},
         [=](WorkerPool& pool) { kv_append_cpu(pool, k, v, rows, pages); });
}

}  // namespace tessera
