#include <algorithm>
#include <array>
#include <string>

#include "ops/bf16_round.h"
#include "ops/code_scale.h"
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

void write_f32(const KvPages& pages, int64_t block, int64_t kv_head, int64_t slot, const float* key,
               const float* value) {
  auto* keys = reinterpret_cast<float*>(kv_keys(pages, block, kv_head)) + slot;
  for (int64_t d = 0; d < pages.head_dim; ++d) keys[d * kBlockTokens] = key[d];
  std::copy_n(value, pages.head_dim,
              reinterpret_cast<float*>(kv_values(pages, block, kv_head)) + slot * pages.head_dim);
}

// Words of two numbers: keys of two dimensions, values of two tokens.
void write_bf16(const KvPages& pages, int64_t block, int64_t kv_head, int64_t slot,
                const float* key, const float* value) {
  const int64_t dims = pages.head_dim;
  auto* keys = reinterpret_cast<uint32_t*>(kv_keys(pages, block, kv_head)) + slot;
  std::array<uint32_t, 64> pairs;  // rounded in vectors, then spread
  for (int64_t d = 0; d < dims; d += 2 * static_cast<int64_t>(pairs.size())) {
    const size_t numbers = std::min<size_t>(2 * pairs.size(), static_cast<size_t>(dims - d));
    for (size_t w = 0; w < numbers / 2; ++w)
      pairs[w] = bf16_rounded(key[2 * w]) | static_cast<uint32_t>(bf16_rounded(key[2 * w + 1]))
                                                << 16;
    if (numbers % 2 != 0) pairs[numbers / 2] = bf16_rounded(key[numbers - 1]);
    for (size_t w = 0; w < (numbers + 1) / 2; ++w) keys[w * kBlockTokens] = pairs[w];
    key += numbers;
    keys += pairs.size() * kBlockTokens;
  }

  auto* values = reinterpret_cast<uint16_t*>(kv_values(pages, block, kv_head)) +
                 slot / 2 * 2 * dims + slot % 2;
  for (int64_t d = 0; d < dims; ++d) values[d * 2] = bf16_rounded(value[d]);
}

// The codes of one key or value, given to `put` one by one; returns their scale.
template <typename Put>
float write_codes(const float* from, int64_t dims, const Put& put) {
  const CodeScale code = code_scale(largest_magnitude(from, dims), 127);
  std::array<int8_t, 128> codes;  // rounded in vectors, then spread
  constexpr auto kMost = static_cast<int64_t>(codes.size());
  for (int64_t first = 0; first < dims; first += kMost) {
    const auto count = static_cast<size_t>(std::min(kMost, dims - first));
    for (size_t i = 0; i < count; ++i)
      codes[i] = static_cast<int8_t>(nearest_code(from[i] * code.inverse));
    for (size_t i = 0; i < count; ++i) put(first + static_cast<int64_t>(i), codes[i]);
    from += count;
  }
  return code.scale;
}

// Pairs of codes: keys of two dimensions, values of two tokens.
void write_int8(const KvPages& pages, int64_t block, int64_t kv_head, int64_t slot,
                const float* key, const float* value) {
  const int64_t dims = pages.head_dim;
  auto* keys = reinterpret_cast<int8_t*>(kv_keys(pages, block, kv_head)) + 2 * slot;
  kv_key_scales(pages, block, kv_head)[slot] = write_codes(
      key, dims, [&](int64_t d, int8_t code) { keys[d / 2 * 2 * kBlockTokens + d % 2] = code; });
  if (dims % 2 != 0) keys[dims / 2 * 2 * kBlockTokens + 1] = 0;

  auto* values =
      reinterpret_cast<int8_t*>(kv_values(pages, block, kv_head)) + slot / 2 * 2 * dims + slot % 2;
  kv_value_scales(pages, block, kv_head)[slot] =
      write_codes(value, dims, [&](int64_t d, int8_t code) { values[2 * d] = code; });
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
  switch (pages.format) {
    case KvFormat::kF32:
      return write_f32(pages, block, kv_head, slot, key, value);
    case KvFormat::kBF16:
      return write_bf16(pages, block, kv_head, slot, key, value);
    case KvFormat::kInt8:
      return write_int8(pages, block, kv_head, slot, key, value);
  }
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
