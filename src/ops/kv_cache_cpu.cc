#include <string>

#include "ops/convert.h"
#include "ops/cpu.h"
#include "ops/kv_layout.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void check_range(const char* op, const char* what, int64_t row, int64_t value, int64_t end) {
  if (value >= 0 && value < end) return;
  throw Error({.where = op,
               .what = what + (" of row " + std::to_string(row)),
               .expected = "0 to " + std::to_string(end - 1),
               .found = std::to_string(value)});
}

template <typename Element, typename Round>
void write(const KvPages& pages, int64_t block, int64_t kv_head, int64_t slot, const float* key,
           const float* value, const Round& round) {
  const int64_t dims = pages.head_dim, per = pages.per_word();
  auto* keys = reinterpret_cast<Element*>(kv_keys(pages, block, kv_head)) + slot * per;
  for (int64_t d = 0; d < dims; ++d) keys[d / per * per * kBlockTokens + d % per] = round(key[d]);
  if (dims % per != 0) keys[dims / per * per * kBlockTokens + 1] = 0;
  auto* values = reinterpret_cast<Element*>(kv_values(pages, block, kv_head)) +
                 slot / per * per * dims + slot % per;
  for (int64_t d = 0; d < dims; ++d) values[d * per] = round(value[d]);
}

}  // namespace

void check_rows(const char* op, const BatchRows& rows, const KvPages& pages) {
  int64_t checked_sequence = -1, checked_blocks = 0;  // rows of one sequence stand together
  for (int64_t r = 0; r < rows.positions.shape[0]; ++r) {
    const int64_t position = rows.positions.i32()[r], sequence = rows.sequence.i32()[r];
    check_range(op, "position", r, position, rows.max_context);
    check_range(op, "sequence", r, sequence, rows.blocks.shape[0]);
    if (sequence != checked_sequence) checked_blocks = 0;
    checked_sequence = sequence;
    for (; checked_blocks <= position / kBlockTokens; ++checked_blocks)
      check_range(op, "page id", r, rows.blocks.i32(sequence)[checked_blocks], pages.blocks);
  }
}

void kv_write(const KvPages& pages, int64_t block, int64_t kv_head, int64_t slot, const float* key,
              const float* value) {
  if (pages.dtype == DType::kF32)
    write<float>(pages, block, kv_head, slot, key, value, [](float x) { return x; });
  else
    write<uint16_t>(pages, block, kv_head, slot, key, value, bf16_from_f32);
}

void kv_append_cpu(WorkerPool& pool, const Tensor& k, const Tensor& v, const BatchRows& rows,
                   const KvPages& pages) {
  check_rows("kv_append", rows, pages);
  const int64_t dim = pages.head_dim;
  pool.for_each(k.shape[0], [&](int64_t r) {
    const int64_t position = rows.positions.i32()[r], slot = position % kBlockTokens;
    const int64_t block = rows.blocks.i32(rows.sequence.i32()[r])[position / kBlockTokens];
    for (int64_t head = 0; head < pages.kv_heads; ++head)
      kv_write(pages, block, head, slot, k.f32(r) + head * dim, v.f32(r) + head * dim);
  });
}

}  // namespace tessera
