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

// One row's codes of one group, as words of four, into the group that starts at `to`.
void place_codes(const uint32_t* words, int64_t inputs, int bits, int64_t row, bool shared,
                 std::byte* to) {
  auto* out = reinterpret_cast<uint32_t*>(to) + row;
  if (bits == 8) {
    for (int64_t j = 0; j < inputs / 4; ++j) out[j * kPanelRows] = words[j];
    return;
  }
  for (int64_t j = 0; j < inputs / 8; ++j)
    out[j * kPanelRows] = (words[2 * j] & kNibbles) | (words[2 * j + 1] & kNibbles) << 4;
  auto* plane = reinterpret_cast<uint8_t*>(to) + inputs * kPanelRows / 2;
  for (int bit = 4; bit < bits; ++bit, plane += inputs * kPanelRows / 8)
    for (int64_t j = 0; j < inputs / 4; ++j)  // two rows to a byte, 16 to a word of 64 bits
      set_half(plane[8 * j + row / 2], plane_of(words[j], bit), row % 2 == 1, shared);
}

}  // namespace

void pack_codes(const PackedMatrix& to, int64_t row, int64_t rows, const void* from,
                DType from_dtype) {
  const WeightFormat format = to.format();
  const bool shared = rows < kPanelRows;
  std::byte* panel = static_cast<std::byte*>(to.data) + row / kPanelRows * to.panel_bytes();
  auto* scales = reinterpret_cast<uint16_t*>(panel);
  std::byte* codes = panel + to.scale_bytes();
  for (int64_t g = 0; g < to.groups(); ++g) {
    const int64_t first = g * format.group;
    const int64_t inputs = std::min(format.group, to.in - first);
    const int64_t padded = std::min(format.group, to.padded_in() - first);
    for (int64_t r = 0; r < rows; ++r) {
      alignas(64) std::array<float, kMaxGroup> values;
      alignas(64) std::array<uint8_t, kMaxGroup> bytes;
      convert(static_cast<const std::byte*>(from) + (r * to.in + first) * dtype_bytes(from_dtype),
              from_dtype, values.data(), DType::kF32, inputs);
      std::fill(values.begin() + inputs, values.end(), 0.0F);
      const int64_t lane = (row + r) % kPanelRows;
      scales[g * kPanelRows + lane] = quantise(values.data(), format.bits, bytes.data());
      std::array<uint32_t, kMaxGroup / 4> words;
      std::memcpy(words.data(), bytes.data(), sizeof(words));
      place_codes(words.data(), padded, format.bits, lane, shared,
                  codes + first * kPanelRows * format.bits / 8);
    }
  }
}

}  // namespace tessera
