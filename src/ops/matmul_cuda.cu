#include "ops/cuda.h"
#include "ops/matmul_cuda.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

constexpr int64_t kPreparedQuantum = 64;

MatmulShape shape_of(const Tensor& x, const PackedMatrix& w, const Tensor& bias, bool add_to_out,
                     const Tensor& out) {
  const WeightFormat format = w.format();
  const int64_t group = format.integer ? format.group : kGroupInputs<16>;
  return {.rows = static_cast<int>(x.shape[0]),
          .in = static_cast<int>(w.in),
          .out = static_cast<int>(w.out),
          .padded_in = static_cast<int>(w.padded_in()),
          .x_stride =
              static_cast<int>((w.in + kPreparedQuantum - 1) / kPreparedQuantum * kPreparedQuantum),
          .x_scales = static_cast<int>(matmul_scale_rows_cuda(x.shape[0])),
          .groups = static_cast<int>((w.in + group - 1) / group),
          .panels = static_cast<int>(w.panels()),
          .panel_bytes = static_cast<int>(format.integer ? w.panel_bytes() : w.padded_in() * 2),
          .scale_bytes = static_cast<int>(w.scale_bytes()),
          .out_stride = out.row_stride,
          .add_to_out = add_to_out,
          .out_aligned = rows_aligned(out) && rows_aligned(bias)};
}

}  // namespace

void matmul_cuda(const CudaQueue& queue, const Tensor& x, const PreparedRows& prepared,
                 const PackedMatrix& w, const Tensor& bias, bool add_to_out, const Tensor& out) {
  if (x.shape[0] == 0) return;
  const int bits = w.format().bits;
  if (bits == 32) {
    matmul_f32(queue, x.f32(), static_cast<const float*>(w.data), bias.f32(), out.f32(),
               {.rows = static_cast<int>(x.shape[0]),
                .in = static_cast<int>(w.in),
                .out = static_cast<int>(w.out),
                .x_stride = x.row_stride,
                .out_stride = out.row_stride,
                .add_to_out = add_to_out});
    return;
  }
  const MatmulShape shape = shape_of(x, w, bias, add_to_out, out);
  matmul_prepare(queue, bits, x.f32(), x.row_stride, shape, prepared);
  const MatmulPointers pointers = {.x = static_cast<const unsigned char*>(prepared.values),
                                   .x_scales = prepared.scales,
                                   .w = static_cast<const unsigned char*>(w.data),
                                   .bias = bias.f32(),
                                   .out = out.f32()};
  (shape.rows > kMostFewRows ? matmul_many_rows : matmul_few_rows)(queue, bits, pointers, shape);
}

}  // namespace tessera
