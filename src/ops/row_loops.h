#pragma once

#include <cstdint>

#include "base/isa.h"
#include "ops/float_math.h"

// The loops of norms and rotary embedding over one row, vectorised by the compiler and compiled
// once for each instruction set: internal linkage, so that nothing leaks into other files. The bits
// are the same, as each step is one rounded operation.

namespace tessera {

struct RowLoops {
  /// As rms_norm() and layer_norm(), of one row: all f32 [cols]; to may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t cols, float* to);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps,
                     int64_t cols, float* to);
  /// Of the angles position * inv_freq[i], in rad, rounded to f32.
  void (*sines)(float position, const float* inv_freq, int64_t count, float* sines, float* cosines);
  /// Turns the points (low[i], high[i]) by those angles.
  void (*turn)(const float* sines, const float* cosines, int64_t count, float* low, float* high);
};

/// The fastest that `isa` has.
RowLoops row_loops(Isa isa);
RowLoops row_loops_plain();
RowLoops row_loops_avx2();
RowLoops row_loops_avx512();

namespace {

constexpr int64_t kRowLanes = 16;

/// The sum over c of term(c), in an order that any vector width of up to 16 can keep: lane c % 16
/// adds its terms one after another, then lanes are added in halves: 8 + 8, 4 + 4, 2 + 2, 1 + 1.
template <typename Term>
float lane_sum(int64_t count, const Term& term) {
  float lanes[kRowLanes] = {};
  int64_t c = 0;
  for (; c + kRowLanes <= count; c += kRowLanes)
    for (int64_t lane = 0; lane < kRowLanes; ++lane) lanes[lane] += term(c + lane);
  for (int64_t lane = 0; c < count; ++c, ++lane) lanes[lane] += term(c);
  for (int64_t half = kRowLanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

inline void rms_norm_loop(const float* x, const float* weight, float eps, int64_t cols, float* to) {
  const float sum = lane_sum(cols, [x](int64_t c) { return x[c] * x[c]; });
  const float scale = 1 / __builtin_sqrtf(sum / static_cast<float>(cols) + eps);
  for (int64_t c = 0; c < cols; ++c) to[c] = x[c] * scale * weight[c];
}

inline void layer_norm_loop(const float* x, const float* weight, const float* bias, float eps,
                            int64_t cols, float* to) {
  const auto n = static_cast<float>(cols);
  const float mean = lane_sum(cols, [x](int64_t c) { return x[c]; }) / n;
  const float squares =
      lane_sum(cols, [x, mean](int64_t c) { return (x[c] - mean) * (x[c] - mean); });
  const float scale = 1 / __builtin_sqrtf(squares / n + eps);
  for (int64_t c = 0; c < cols; ++c) to[c] = (x[c] - mean) * scale * weight[c] + bias[c];
}

inline void sines_loop(float position, const float* inv_freq, int64_t count, float* sines,
                       float* cosines) {
  for (int64_t i = 0; i < count; ++i) {
    const SineCosine at = sine_cosine(position * inv_freq[i]);  // the angle rounded to f32
    sines[i] = at.sine;
    cosines[i] = at.cosine;
  }
}

inline void turn_loop(const float* sines, const float* cosines, int64_t count, float* low,
                      float* high) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float a = low[i], b = high[i];
    low[i] = a * cosines[i] - b * sines[i];
    high[i] = b * cosines[i] + a * sines[i];
  }
}

constexpr RowLoops kRowLoops = {rms_norm_loop, layer_norm_loop, sines_loop, turn_loop};

}  // namespace
}  // namespace tessera
