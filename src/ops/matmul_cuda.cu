#include "device/cuda_gemms.h"
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
          .x_scale_stride = static_cast<int>(matmul_scale_rows_cuda(x.shape[0])),
          .groups = static_cast<int>((w.in + group - 1) / group),
          .panels = static_cast<int>(w.panels()),
          .panel_bytes = static_cast<int>(format.integer ? w.panel_bytes() : w.padded_in() * 2),
          .scale_bytes = static_cast<int>(w.scale_bytes()),
          .out_stride = out.row_stride,
          .add_to_out = add_to_out,
          .out_aligned = rows_aligned(out) && rows_aligned(bias)};
}

// Many rows by weights of bf16, by the library where the device has it; false: it is left to own
// kernels. x and w have zeros from `in` to `padded_in`.
bool multiply_by_library(const CudaQueue& queue, const MatmulPointers& pointers,
                         const MatmulShape& shape) {
  if (queue.gemms == nullptr) return false;
  const GemmShape gemm = {.rows = shape.rows,
                          .in = shape.padded_in,
                          .out = shape.out,
                          .x_stride = shape.x_stride,
                          .w_stride = shape.padded_in,
                          .y_stride = shape.out_stride,
                          .bias = pointers.bias != nullptr};
  return queue.gemms->multiply(queue, gemm,
                               {.x = pointers.x,
                                .w = pointers.w,
                                .bias = pointers.bias,
                                .y = pointers.out,
                                .add_to_y = shape.add_to_out});
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
  if (shape.rows <= kMostFewRows) {
    matmul_few_rows(queue, bits, pointers, shape);
  } else if (bits != 16 || !multiply_by_library(queue, pointers, shape)) {
    matmul_many_rows(queue, bits, pointers, shape);
  }
}

}  // namespace tessera
