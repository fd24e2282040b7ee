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

void write_f32(const KvPages& pages, int64_t block, int64_t kv_head, const KvTokens& t) {
  const int64_t dims = pages.head_dim;
  auto* keys = reinterpret_cast<float*>(kv_keys(pages, block, kv_head)) + t.slot;
  auto* values = reinterpret_cast<float*>(kv_values(pages, block, kv_head)) + t.slot * dims;
  for (int64_t d = 0; d < dims; ++d)
    for (int64_t i = 0; i < t.count; ++i) keys[d * kBlockTokens + i] = t.key[i * t.key_stride + d];
  for (int64_t i = 0; i < t.count; ++i)
    std::copy_n(t.value + i * t.value_stride, dims, values + i * dims);
}

constexpr int64_t kMostDims = 128;  // rounded in vectors, then spread
using Rounded = std::array<std::array<uint16_t, kMostDims>, kBlockTokens>;

void round_numbers(const float* from, int64_t stride, int64_t count, int64_t dims, Rounded& to) {
  for (int64_t i = 0; i < count; ++i) {
    auto& rounded = to[static_cast<size_t>(i)];
    const float* numbers = from + i * stride;
    for (size_t d = 0; d < static_cast<size_t>(dims); ++d) rounded[d] = bf16_rounded(numbers[d]);
    if (dims % 2 != 0) rounded[static_cast<size_t>(dims)] = 0;
  }
}

uint32_t pair(uint16_t first, uint16_t second) {
  return first | static_cast<uint32_t>(second) << 16;
}

// Words of two numbers: keys of two dimensions, values of two tokens.
void write_bf16(const KvPages& pages, int64_t block, int64_t kv_head, const KvTokens& t) {
  const int64_t all = pages.head_dim;
  auto* keys = reinterpret_cast<uint32_t*>(kv_keys(pages, block, kv_head)) + t.slot;
  auto* values = reinterpret_cast<uint32_t*>(kv_values(pages, block, kv_head));
  const auto count = static_cast<size_t>(t.count);
  Rounded rounded;
  for (int64_t first = 0; first < all; first += kMostDims) {
    const int64_t dims = std::min(kMostDims, all - first);
    const auto some = static_cast<size_t>(dims);
    round_numbers(t.key + first, t.key_stride, t.count, dims, rounded);
    for (size_t d = 0; d < some; d += 2, keys += kBlockTokens)
      for (size_t i = 0; i < count; ++i) keys[i] = pair(rounded[i][d], rounded[i][d + 1]);

    round_numbers(t.value + first, t.value_stride, t.count, dims, rounded);
    for (size_t i = 0; i < count;) {
      const auto slot = t.slot + static_cast<int64_t>(i);
      uint32_t* words = values + slot / 2 * all + first;
      if (slot % 2 == 0 && i + 1 < count) {
        for (size_t d = 0; d < some; ++d) words[d] = pair(rounded[i][d], rounded[i + 1][d]);
        i += 2;
      } else {  // the other token of these words is not ours
        auto* halves = reinterpret_cast<uint16_t*>(words) + slot % 2;
        for (size_t d = 0; d < some; ++d) halves[2 * d] = rounded[i][d];
        i += 1;
      }
    }
  }
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

void kv_write(const KvPages& pages, int64_t block, int64_t kv_head, const KvTokens& t) {
  switch (pages.format) {
    case KvFormat::kF32:
      return write_f32(pages, block, kv_head, t);
    case KvFormat::kBF16:
      return write_bf16(pages, block, kv_head, t);
    case KvFormat::kInt8:
      for (int64_t i = 0; i < t.count; ++i)
        write_int8(pages, block, kv_head, t.slot + i, t.key + i * t.key_stride,
                   t.value + i * t.value_stride);
  }
}

void kv_append_cpu(WorkerPool& pool, const Tensor& k, const Tensor& v, const BatchRows& rows,
                   const KvPages& pages) {
  check_rows("kv_append", rows, pages);
  const int64_t dim = pages.head_dim, count = k.shape[0];
  const int32_t *positions = rows.positions.i32(), *sequence = rows.sequence.i32();
  const auto follows = [&](int64_t r) {  // the row before it, in the same page
    return sequence[r] == sequence[r - 1] && positions[r] == positions[r - 1] + 1 &&
           positions[r] % kBlockTokens != 0;
  };
  pool.for_each(count, [&](int64_t r) {
    if (r > 0 && follows(r)) return;  // written with the row that it follows
    KvTokens tokens = {.key_stride = k.row_stride,
                       .value_stride = v.row_stride,
                       .slot = positions[r] % kBlockTokens,
                       .count = 1};
    while (r + tokens.count < count && follows(r + tokens.count)) ++tokens.count;
    const int64_t block = rows.blocks.i32(sequence[r])[positions[r] / kBlockTokens];
    for (int64_t head = 0; head < pages.kv_heads; ++head) {
      tokens.key = k.f32(r) + head * dim;
      tokens.value = v.f32(r) + head * dim;
      kv_write(pages, block, head, tokens);
    }
  });
}

}  // namespace tessera
