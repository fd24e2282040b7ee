#include "ops/matmul.h"

#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {
namespace {

// What PreparedRows points to: values, and the integers' scales and sums, which GPUs do without.
PreparedRows take_prepared(Arena& arena, const PackedMatrix& w, int64_t rows) {
  const WeightFormat format = w.format();
  const DType dtype = format.integer ? DType::kI8 : format.bits == 32 ? DType::kF32 : DType::kBF16;
  PreparedRows prepared;
  prepared.values = arena.take(dtype, {rows, w.prepared_in()}).data;
  if (!format.integer) return prepared;
  const bool cuda = w.device->info().kind == DeviceKind::kCuda;
  const int64_t scale_rows = cuda ? matmul_scale_rows_cuda(rows) : rows;
  prepared.scales = arena.take(DType::kF32, {w.groups(), scale_rows}).f32();
  if (cuda) return prepared;
  prepared.sums = static_cast<int32_t*>(arena.take(DType::kI32, {w.groups(), rows}).data);
  return prepared;
}

}  // namespace

void matmul(Stream& stream, Arena& arena, const Tensor& x, const PackedMatrix& w,
            const MatmulOptions& options, Tensor& out) {
  const Checks check("matmul", stream);
  check.weights("w", w);
  check.matrix("x", x, {DType::kF32});
  const int64_t rows = x.shape[0];
  check.tensor("x", x, {DType::kF32}, {rows, w.in});
  check.tensor("out", out, {DType::kF32}, {rows, w.out});
  const Tensor bias = options.bias != nullptr ? *options.bias : Tensor();
  if (options.bias != nullptr) check.tensor("bias", bias, {DType::kF32}, {w.out});
  const bool active = options.swiglu || options.gelu.has_value();
  check.that(!options.add_to_out || !active, "add_to_out", "no activation beside it", 1);
  check.that(!options.swiglu || (!bias.data && !options.gelu), "swiglu", "no bias and no gelu", 1);
  check.that(!options.swiglu || w.out % 2 == 0, "w", "as many gates as ups", w.out);
  const MatmulFinish finish = {bias, options.add_to_out, options.gelu, options.swiglu};

  const auto r = static_cast<double>(rows), in = static_cast<double>(w.in),
             o = static_cast<double>(w.out), written = finish.swiglu ? o / 2 : o;
  const double active_flops = finish.swiglu ? kSwigluFlops : finish.gelu ? kGeluFlops : 0;
  const Cost cost = {.flops = 2 * r * in * o + active_flops * r * written,
                     .bytes = static_cast<double>(w.bytes()) +
                              4 * r * (in + (finish.add_to_out ? 2 : 1) * written)};
  const Isa isa = stream.device().info().isa;
  const Arena::Scope scope(arena);
  const PreparedRows prepared = take_prepared(arena, w, rows);
  launch(
      stream, cost, [=](WorkerPool& pool) { matmul_cpu(pool, isa, x, prepared, w, finish, out); },
      [=](auto& queue) {
        matmul_cuda(queue, x, prepared, w, finish.bias, finish.add_to_out, out);
        if (finish.swiglu) swiglu_cuda(queue, out, out.slice_cols(0, w.out / 2));
        if (finish.gelu) gelu_cuda(queue, out, *finish.gelu);
      });
}

}  // namespace tessera
