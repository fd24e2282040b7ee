#include "ops/activation_loops.h"
#include "ops/cpu.h"

namespace tessera {

ActivationLoops activation_loops(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
    case Isa::kAvx512Vnni:
    case Isa::kAvx512Bf16:
    case Isa::kAmx:
      return activation_loops_avx512();
    case Isa::kAvx2:
      return activation_loops_avx2();
    case Isa::kPlain:
      break;
  }
  return activation_loops_plain();
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
