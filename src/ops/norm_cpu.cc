#include "ops/cpu.h"
#include "ops/row_loops.h"

namespace tessera {

void rms_norm_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const Tensor& weight, float eps,
                  const Tensor& out) {
  const auto loop = row_loops(isa).rms_norm;
  pool.for_each(x.shape[0],
                [&](int64_t r) { loop(x.f32(r), weight.f32(), eps, x.shape[1], out.f32(r)); });
}

void layer_norm_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const Tensor& weight,
                    const Tensor& bias, float eps, const Tensor& out) {
  const auto loop = row_loops(isa).layer_norm;
  pool.for_each(x.shape[0], [&](int64_t r) {
    loop(x.f32(r), weight.f32(), bias.f32(), eps, x.shape[1], out.f32(r));
  });
}

}  // namespace tessera
