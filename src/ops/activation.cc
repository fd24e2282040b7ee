#include "ops/activation.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {

void swiglu(Stream& stream, const Tensor& gate_up, Tensor& out) {
  const Checks check("swiglu", stream);
  check.matrix("out", out, {DType::kF32});
  check.tensor("gate_up", gate_up, {DType::kF32}, {out.shape[0], 2 * out.shape[1]});

  const Isa isa = stream.device().info().isa;
  const auto elements = static_cast<double>(out.shape.elements());
  launch(
      stream, {.flops = kSwigluFlops * elements, .bytes = 12 * elements},
      [=](WorkerPool& pool) { swiglu_cpu(pool, isa, gate_up, out); },
      [=](auto& queue) { swiglu_cuda(queue, gate_up, out); });
}

void gelu(Stream& stream, Tensor& x, GeluKind kind) {
  const Checks check("gelu", stream);
  check.matrix("x", x, {DType::kF32});

  const Isa isa = stream.device().info().isa;
  const auto elements = static_cast<double>(x.shape.elements());
  launch(
      stream, {.flops = kGeluFlops * elements, .bytes = 8 * elements},
      [=](WorkerPool& pool) { gelu_cpu(pool, isa, x, kind); },
      [=](auto& queue) { gelu_cuda(queue, x, kind); });
}

}  // namespace tessera
