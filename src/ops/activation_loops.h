#pragma once

#include <cstdint>

#include "base/isa.h"
#include "ops/float_math.h"

// The activations' loops over one row, vectorised by the compiler and compiled once for each
// instruction set: internal linkage, so that nothing leaks into other files. The bits are the same,
// as each step of the functions is one rounded operation.

namespace tessera {

struct ActivationLoops {
  /// to[i] = silu(gate[i]) * up[i]; to may be gate
  void (*swiglu)(const float* gate, const float* up, float* to, int64_t count);
  void (*gelu[3])(float* x, int64_t count);  ///< x[i] = gelu(x[i]), by GeluKind
};

/// The fastest that `isa` has.
ActivationLoops activation_loops(Isa isa);
ActivationLoops activation_loops_plain();
ActivationLoops activation_loops_avx2();
ActivationLoops activation_loops_avx512();

namespace {

inline void swiglu_loop(const float* gate, const float* up, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = silu_f32(gate[i]) * up[i];
}
inline void gelu_erf_loop(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = gelu_erf_f32(x[i]);
}
inline void gelu_quick_loop(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = gelu_quick_f32(x[i]);
}
inline void gelu_tanh_loop(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = gelu_tanh_f32(x[i]);
}

constexpr ActivationLoops kActivationLoops = {swiglu_loop,
                                              {gelu_erf_loop, gelu_quick_loop, gelu_tanh_loop}};

}  // namespace
}  // namespace tessera
