#include "ops/kv_cache.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {

namespace {

int64_t number_bytes(KvFormat format) {
  return format == KvFormat::kF32 ? 4 : format == KvFormat::kBF16 ? 2 : 1;
}

}  // namespace

int64_t KvPages::key_bytes() const {
  const int64_t dims = format == KvFormat::kF32 ? head_dim : (head_dim + 1) / 2 * 2;
  return kBlockTokens * dims * number_bytes(format) + scale_bytes();
}

int64_t KvPages::value_bytes() const {
  return kBlockTokens * head_dim * number_bytes(format) + scale_bytes();
}

int64_t KvPages::scale_bytes() const {
  return format == KvFormat::kInt8 ? kBlockTokens * int64_t{sizeof(float)} : 0;
}

uint64_t KvPages::bytes(KvFormat format, int64_t blocks, int64_t kv_heads, int64_t head_dim) {
  const KvPages shape = {.format = format, .kv_heads = kv_heads, .head_dim = head_dim};
  return static_cast<uint64_t>(blocks * shape.block_bytes());
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

  const int64_t read = 2 * count * width * int64_t{sizeof(float)};
  const int64_t written = count * pages.block_bytes() / kBlockTokens;
  launch(
      stream, {.bytes = static_cast<double>(read + written)},
      [=](WorkerPool& pool) { kv_append_cpu(pool, k, v, rows, pages); },
      [=](auto& queue) { kv_append_cuda(queue, k, v, rows, pages); });
}

}  // namespace tessera
