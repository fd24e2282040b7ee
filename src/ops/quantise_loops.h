#pragma once

#include <cstdint>
#include <cstring>

// quantise() as loops over 16 lanes that a compiler turns into vectors, compiled once for each
// instruction set: internal linkage, and nothing inline from other headers.

namespace tessera {
namespace {

constexpr int kLanes = 16;

// Shares of the scale that clips nothing. Gaussian weights in groups of 64 are best served by 0.8
// to 1 at 4 bits and by 1 at 6; the rest is for groups with an outlier.
constexpr float kShares[] = {1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F, 0.7F, 0.62F};

inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}
inline uint32_t magnitude(float value) {
  return bits_of(value) & 0x7fffffff;
}

// Rounds to nearest even for |value| < 2^22: the last bit of 1.5 * 2^23 + value counts ones.
constexpr float kRounder = 12582912.0F;

inline float clamp(float value, float low, float high) {
  const float above = value < low ? low : value;
  return above > high ? high : above;
}

/// The squared error of one scale.
inline float error_of_scale(const float* values, int64_t count, float scale, float low,
                            float high) {
  const float inverse = 1.0F / scale;
  float sums[kLanes] = {};
  for (int64_t i = 0; i < count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      const float code = clamp((value * inverse + kRounder) - kRounder, low, high);
      const float off = value - code * scale;
      sums[lane] += off * off;
    }
  float sum = 0;
  for (const float s : sums) sum += s;
  return sum;
}

inline uint16_t quantise_loops(const float* values, int bits, uint8_t* codes) {
  const int64_t count = bits == 8 ? 128 : 64;
  const auto zero = static_cast<float>(1 << (bits - 1));
  const float low = bits == 8 ? 1 - zero : -zero, high = zero - 1;
  uint32_t largest[kLanes] = {}, most = 0;  // magnitudes: the order of their bits is theirs
  for (int64_t i = 0; i < count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t m = magnitude(values[i + lane]);
      largest[lane] = m > largest[lane] ? m : largest[lane];
    }
  for (const uint32_t m : largest) most = m > most ? m : most;

  const float extreme = float_of(most);
  if (most == 0 || most >= 0x7f800000) {
    memset(codes, static_cast<int>(zero), static_cast<size_t>(count));
    return most == 0 ? 0 : 0x7fc0;
  }
  // In bf16 and rounded up, so that the extreme stays within the codes; never a denormal number.
  const auto as_bf16 = [](float scale) {
    const uint32_t up = (bits_of(scale) + 0xffff) & 0xffff0000;
    return float_of(up < 0x00800000 ? 0x00800000 : up);
  };
  float scale = as_bf16(extreme / -low);
  if (bits != 8) {
    bool negative = false;  // is the extreme below zero? (the first of two equal ones)
    for (int64_t i = count; i-- > 0;)
      if (magnitude(values[i]) == most) negative = values[i] < 0;
    const float sign = negative ? 1.0F : -1.0F;
    float least = 0, best = 0;
    for (const float share : kShares) {
      const float candidate = sign * as_bf16(share * extreme / zero);
      const float error = error_of_scale(values, count, candidate, low, high);
      if (best == 0 || error < least) {
        least = error;
        best = candidate;
      }
    }
    scale = best;
  }
  const float inverse = 1.0F / scale;
  for (int64_t i = 0; i < count; ++i)
    codes[i] = static_cast<uint8_t>(
        static_cast<int32_t>(clamp((values[i] * inverse + kRounder) - kRounder, low, high) + zero));
  return static_cast<uint16_t>(bits_of(scale) >> 16);
}

}  // namespace
}  // namespace tessera
