#include "ops/norm.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {
namespace {

// x is read, out written; the weights stay in the cache.
Cost norm_cost(const Shape& shape, double flops_per_element) {
  const auto elements = static_cast<double>(shape.elements());
  return {.flops = flops_per_element * elements, .bytes = 8 * elements};
}

}  // namespace

void rms_norm(Stream& stream, const Tensor& x, const Tensor& weight, float eps, Tensor& out) {
  const Checks check("rms_norm", stream);
  check.matrix("x", x, {DType::kF32});
  check.tensor("weight", weight, {DType::kF32}, {x.shape[1]});
  check.tensor("out", out, {DType::kF32}, x.shape);

  const Isa isa = stream.device().info().isa;
  launch(
      stream, norm_cost(x.shape, 4),
      [=](WorkerPool& pool) { rms_norm_cpu(pool, isa, x, weight, eps, out); },
      [=](auto& queue) { rms_norm_cuda(queue, x, weight, eps, out); });
}

void layer_norm(Stream& stream, const Tensor& x, const Tensor& weight, const Tensor& bias,
                float eps, Tensor& out) {
  const Checks check("layer_norm", stream);
  check.matrix("x", x, {DType::kF32});
  check.tensor("weight", weight, {DType::kF32}, {x.shape[1]});
  check.tensor("bias", bias, {DType::kF32}, {x.shape[1]});
  check.tensor("out", out, {DType::kF32}, x.shape);

  const Isa isa = stream.device().info().isa;
  launch(
      stream, norm_cost(x.shape, 8),
      [=](WorkerPool& pool) { layer_norm_cpu(pool, isa, x, weight, bias, eps, out); },
      [=](auto& queue) { layer_norm_cuda(queue, x, weight, bias, eps, out); });
}

}  // namespace tessera
