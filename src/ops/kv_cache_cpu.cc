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

void put(const KvPages& pages, std::byte* base, int64_t index, float value) {
  if (pages.dtype == DType::kF32)
    reinterpret_cast<float*>(base)[index] = value;
  else
    reinterpret_cast<uint16_t*>(base)[index] = bf16_from_f32(value);
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

void kv_append_cpu(WorkerPool& pool, const Tensor& k, const Tensor& v, const BatchRows& rows,
                   const KvPages& pages) {
  check_rows("kv_append", rows, pages);
  const int64_t dim = pages.head_dim;
  pool.for_each(k.shape[0], [&](int64_t r) {
    const int64_t position = rows.positions.i32()[r], slot = position % kBlockTokens;
    const int64_t block = rows.blocks.i32(rows.sequence.i32()[r])[position / kBlockTokens];
    for (int64_t head = 0; head < pages.kv_heads; ++head) {
      std::byte *keys = kv_keys(pages, block, head), *values = kv_values(pages, block, head);
      for (int64_t d = 0; d < dim; ++d) {
        put(pages, keys, d * kBlockTokens + slot, k.f32(r)[head * dim + d]);
        put(pages, values, slot * dim + d, v.f32(r)[head * dim + d]);
      }
    }
  });
}

}  // namespace tessera
