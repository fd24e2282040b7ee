#pragma once

#include <cstdint>
#include <cstring>

#include "ops/hadamard_block.h"
#include "ops/scale_search.h"

// quantise() over vectors of 16 lanes, one for each row, which the compiler maps to what there is;
// compiled once for each instruction set: internal linkage, and nothing inline from other headers.
// No operation looks across lanes, so the bits do not depend on the mapping.

namespace tessera {
namespace {

constexpr int kLanes = 16;
using Floats = float __attribute__((vector_size(64)));
using Words = uint32_t __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));

inline void load(const float* from, Floats& to) {
  memcpy(&to, from, sizeof(to));
}

// The nearest code, ties to even: adding 1.5 * 2^23 leaves whole numbers in an f32.
inline void code_of(const Floats& value, const Floats& inverse, float low, float high,
                    Floats& code) {
  constexpr float kRounder = 12582912.0F;
  code = (value * inverse + kRounder) - kRounder;
  code = code < low ? Floats{} + low : code;
  code = code > high ? Floats{} + high : code;
}

/// In bf16 and rounded up, so that what it is the scale of stays within the codes; never denormal.
inline void round_scale(const Floats& exact, Floats& scale) {
  Words bits;
  memcpy(&bits, &exact, sizeof(bits));
  bits = (bits + 0xffff) & 0xffff0000;
  bits = bits < 0x00800000 ? Words{} + 0x00800000 : bits;
  memcpy(&scale, &bits, sizeof(bits));
}

/// The largest magnitude of each row, and whether a positive value has it.
template <int kCount>
void find_extremes(const float* values, Floats& extreme, Ints& positive) {
  Words largest = {};  // magnitudes: the order of their bits is theirs, and NaN is above infinity
  Floats highest = {};
  for (int i = 0; i < kCount; ++i) {
    Floats value;
    load(values + i * kLanes, value);
    Words size;
    memcpy(&size, &value, sizeof(size));
    size &= 0x7fffffff;
    largest = size > largest ? size : largest;
    highest = value > highest ? value : highest;
  }
  memcpy(&extreme, &largest, sizeof(largest));
  positive = highest == extreme;
}

/// Of the scales to try, each row's with the least squared error.
template <int kCount>
void search_scale(const float* values, int count, float low, float high, const Floats& extreme,
                  const Ints& positive, Floats& scale) {
  Floats least = {};
  for (int i = 0; i < count; ++i) {
    Floats candidate;
    round_scale(extreme * (scale_share(i) / -low), candidate);
    candidate = positive ? -candidate : candidate;
    const Floats inverse = 1.0F / candidate;
    Floats error = {};
    for (int k = 0; k < kCount; ++k) {
      Floats value, code;
      load(values + k * kLanes, value);
      code_of(value, inverse, low, high, code);
      const Floats off = value - code * candidate;
      error += off * off;
    }
    const Ints better = i == 0 ? Ints{} - 1 : Ints(error < least);
    least = better ? error : least;
    scale = better ? candidate : scale;
  }
}

template <int kBits>
void quantise_bits(const float* values, uint8_t* codes, uint16_t* scales) {
  constexpr int kCount = kBits == 8 ? 128 : 64;
  constexpr float kZero = 1 << (kBits - 1), kLow = kBits == 8 ? 1 - kZero : -kZero,
                  kHigh = kZero - 1;
  Floats extreme, scale;
  Ints positive;
  find_extremes<kCount>(values, extreme, positive);
  round_scale(extreme / -kLow, scale);
  if (kBits != 8) search_scale<kCount>(values, tries(kBits), kLow, kHigh, extreme, positive, scale);

  Words size;
  memcpy(&size, &extreme, sizeof(size));
  const Ints sound = (size != 0) & (size < 0x7f800000);
  const Floats inverse = 1.0F / scale;
  for (int i = 0; i < kCount; i += 4) {
    Words word = {};
    for (int b = 3; b >= 0; --b) {
      Floats value, code;
      load(values + (i + b) * kLanes, value);
      code_of(value, inverse, kLow, kHigh, code);
      code = sound ? code : Floats{};
      word = word << 8 | (Words) __builtin_convertvector(code + kZero, Ints);
    }
    memcpy(codes + i * kLanes, &word, sizeof(word));
  }
  Words bits;
  memcpy(&bits, &scale, sizeof(bits));
  bits = sound ? bits : size == 0 ? Words{} : Words{} + 0x7fc00000;
  for (int lane = 0; lane < kLanes; ++lane) scales[lane] = static_cast<uint16_t>(bits[lane] >> 16);
}

/// Of 16 rows side by side, a block of each: the transform over its length.
inline void rotate_block(float* values, int64_t count) {
  const auto place = [&](int64_t i) { return values + i * kLanes; };
  for (int64_t step = 1; step < count; step *= 2)
    for (int64_t from = 0; from < count; from += 2 * step)
      for (int64_t i = from; i < from + step; ++i) {
        Floats a, b;
        load(place(i), a);
        load(place(i + step), b);
        const Floats sum = a + b, difference = a - b;
        memcpy(place(i), &sum, sizeof(sum));
        memcpy(place(i + step), &difference, sizeof(difference));
      }
  const float share = 1.0F / static_cast<float>(count);  // of two: exact
  for (int64_t i = 0; i < count * kLanes; ++i) values[i] *= share;
}

inline void rotate_loops(float* values, int64_t inputs) {
  for (int64_t i = 0; i < inputs;) {
    const int64_t block = hadamard_block(inputs - i);
    rotate_block(values + i * kLanes, block);
    i += block;
  }
}

inline void quantise_loops(const float* values, int bits, uint8_t* codes, uint16_t* scales) {
  bits == 8   ? quantise_bits<8>(values, codes, scales)
  : bits == 6 ? quantise_bits<6>(values, codes, scales)
  : bits == 5 ? quantise_bits<5>(values, codes, scales)
              : quantise_bits<4>(values, codes, scales);
}

}  // namespace
}  // namespace tessera
