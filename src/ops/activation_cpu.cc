#include "ops/activation_loops.h"
#include "ops/cpu.h"

namespace tessera {

ActivationLoops activation_loops(Isa isa) {
  return widest(isa, activation_loops_plain, activation_loops_avx2, activation_loops_avx512)();
}

void swiglu_cpu(WorkerPool& pool, Isa isa, const Tensor& gate_up, const Tensor& out) {
  const ActivationLoops loops = activation_loops(isa);
  const int64_t ffn = out.shape[1];
  pool.for_each(out.shape[0], [&](int64_t r) {
    loops.swiglu(gate_up.f32(r), gate_up.f32(r) + ffn, out.f32(r), ffn);
  });
}

void gelu_cpu(WorkerPool& pool, Isa isa, const Tensor& x, GeluKind kind) {
  const auto loop = activation_loops(isa).gelu[static_cast<size_t>(kind)];
  pool.for_each(x.shape[0], [&](int64_t r) { loop(x.f32(r), x.shape[1]); });
}

}  // namespace tessera
