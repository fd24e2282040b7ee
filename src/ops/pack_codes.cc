#include "ops/pack_codes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "ops/convert.h"
#include "ops/quantise.h"

namespace tessera {
namespace {

constexpr int64_t kMaxGroup = 128;
constexpr uint32_t kNibbles = 0x0f0f0f0f, kOnes = 0x01010101;

// Bit `bit` of four codes, side by side.
uint32_t plane_of(uint32_t word, int bit) {
  return ((word >> bit & kOnes) * 0x01020408) >> 24;
}

// Half of a byte; the other half belongs to the row beside, which another thread may be packing.
void set_half(uint8_t& byte, uint32_t bits, bool upper, bool shared) {
  const auto set = static_cast<uint8_t>(upper ? bits << 4 : bits);
  const auto kept = static_cast<uint8_t>(upper ? 0x0f : 0xf0);
  if (shared) {
    std::atomic_ref(byte).fetch_and(kept, std::memory_order_relaxed);
    std::atomic_ref(byte).fetch_or(set, std::memory_order_relaxed);
  } else {
    byte = static_cast<uint8_t>((byte & kept) | set);
  }
}

// The codes of one group, [inputs / 4][16] words of four, into the group that starts at `to`: those
// of rows [row, row + rows) of the panel.
void place_codes(const uint32_t* words, int64_t inputs, int bits, int64_t row, int64_t rows,
                 std::byte* to) {
  auto* out = reinterpret_cast<uint32_t*>(to);
  const auto each_row = [&](const auto& place) {
    for (int64_t r = row; r < row + rows; ++r) place(r);
  };
  if (bits == 8) {
    for (int64_t j = 0; j < inputs / 4; ++j)
      each_row([&](int64_t r) { out[j * kPanelRows + r] = words[j * kPanelRows + r]; });
    return;
  }
  for (int64_t j = 0; j < inputs / 8; ++j) {
    const uint32_t *low = words + 2 * j * kPanelRows, *high = low + kPanelRows;
    each_row([&](int64_t r) {
      out[j * kPanelRows + r] = (low[r] & kNibbles) | (high[r] & kNibbles) << 4;
    });
  }
  const bool shared = rows < kPanelRows;
  auto* plane = reinterpret_cast<uint8_t*>(to) + inputs * kPanelRows / 2;
  for (int bit = 4; bit < bits; ++bit, plane += inputs * kPanelRows / 8)
    for (int64_t j = 0; j < inputs / 4; ++j)  // two rows to a byte, 16 to a word of 64 bits
      each_row([&](int64_t r) {
        set_half(plane[8 * j + r / 2], plane_of(words[j * kPanelRows + r], bit), r % 2 == 1,
                 shared);
      });
}

}  // namespace

void pack_codes(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
                DType from_dtype) {
  const WeightFormat format = to.format();
  const int64_t row = first_row % kPanelRows;
  std::byte* panel = static_cast<std::byte*>(to.data) + first_row / kPanelRows * to.panel_bytes();
  auto* scales = reinterpret_cast<uint16_t*>(panel);
  std::byte* codes = panel + to.scale_bytes();
  alignas(64) std::array<float, kMaxGroup* kPanelRows> values = {};
  for (int64_t g = 0; g < to.groups(); ++g) {
    const int64_t first = g * format.group;
    const int64_t inputs = std::min(format.group, to.in - first);
    if (inputs < format.group) values.fill(0);
    for (int64_t r = 0; r < rows; ++r) {
      std::array<float, kMaxGroup> line;
      convert(static_cast<const std::byte*>(from) + (r * to.in + first) * dtype_bytes(from_dtype),
              from_dtype, line.data(), DType::kF32, inputs);
      for (int64_t i = 0; i < inputs; ++i)
        values[static_cast<size_t>(i * kPanelRows + row + r)] = line[static_cast<size_t>(i)];
    }
    const int64_t padded = std::min(format.group, to.padded_in() - first);
    if (format.bits == 8) rotate(values.data(), padded);
    alignas(64) std::array<uint32_t, kMaxGroup / 4 * kPanelRows> words;
    std::array<uint16_t, kPanelRows> row_scales;
    quantise(values.data(), format.bits, reinterpret_cast<uint8_t*>(words.data()),
             row_scales.data());
    std::copy_n(row_scales.data() + row, rows, scales + g * kPanelRows + row);
    place_codes(words.data(), padded, format.bits, row, rows,
                codes + first * kPanelRows * format.bits / 8);
  }
}

}  // namespace tessera
