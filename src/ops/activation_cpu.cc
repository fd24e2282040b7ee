#include "ops/cpu.h"
#include "ops/float_math.h"

namespace tessera {

void swiglu_cpu(WorkerPool& pool, const Tensor& gate_up, const Tensor& out) {
  const int64_t rows = out.shape[0], ffn = out.shape[1];
  pool.for_each(rows, [&](int64_t r) {
    const float *gate = gate_up.f32(r), *up = gate + ffn;
    float* to = out.f32(r);
    for (int64_t c = 0; c < ffn; ++c) to[c] = silu_f32(gate[c]) * up[c];
  });
}

void gelu_cpu(WorkerPool& pool, const Tensor& x, GeluKind kind) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  pool.for_each(rows, [&](int64_t r) {
    float* row = x.f32(r);
    switch (kind) {
      case GeluKind::kErf:
        for (int64_t c = 0; c < cols; ++c) row[c] = gelu_erf_f32(row[c]);
        break;
      case GeluKind::kQuick:
        for (int64_t c = 0; c < cols; ++c) row[c] = gelu_quick_f32(row[c]);
        break;
      case GeluKind::kTanh:
        for (int64_t c = 0; c < cols; ++c) row[c] = gelu_tanh_f32(row[c]);
        break;
    }
  });
}

}  // namespace tessera
