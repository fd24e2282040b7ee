#include "ops/enqueue.cuh"
#include "ops/matmul_cuda.cuh"

namespace tessera {
namespace {

constexpr int kF32Outputs = 64, kF32Inputs = 32;  // a tile's

/// A block of 256 computes 64 outputs of some rows, a thread kOutputs x kRows of them: each one fma
/// chain over the inputs. Sources pass through shared memory, 32 inputs at a time.
template <int kOutputs, int kRows>
__global__ void __launch_bounds__(256) f32_kernel(const float* x, const float* w, const float* bias,
                                                  float* out, MatmulF32Shape shape) {
  constexpr int kAcross = kF32Outputs / kOutputs, kDown = 256 / kAcross;
  constexpr int kTileRows = kDown * kRows;
  struct Shared {
    float w[kF32Inputs][kF32Outputs + 1];
    float x[kF32Inputs][kTileRows + 1];
  };
  Shared& shared = block_shared<Shared>();
  const int thread = static_cast<int>(threadIdx.x);
  const int across = thread % kAcross, down = thread / kAcross;
  const int first_output = static_cast<int>(blockIdx.x) * kF32Outputs;
  const int first_row = static_cast<int>(blockIdx.y) * kTileRows;

  float sums[kRows][kOutputs] = {};
  for (int first = 0; first < shape.in; first += kF32Inputs) {
    const int inputs = min(kF32Inputs, shape.in - first);
    const int i = thread % kF32Inputs;
    if (i < inputs) {
      for (int o = thread / kF32Inputs; o < kF32Outputs; o += 256 / kF32Inputs) {
        const int output = min(first_output + o, shape.out - 1);
        shared.w[i][o] = __ldg(w + static_cast<int64_t>(output) * shape.in + first + i);
      }
      for (int r = thread / kF32Inputs; r < kTileRows; r += 256 / kF32Inputs) {
        const int row = min(first_row + r, shape.rows - 1);
        shared.x[i][r] = x[row * shape.x_stride + first + i];
      }
    }
    __syncthreads();
    for (int k = 0; k < inputs; ++k) {
      float from[kRows], by[kOutputs];
      for (int r = 0; r < kRows; ++r) from[r] = shared.x[k][down + r * kDown];
      for (int o = 0; o < kOutputs; ++o) by[o] = shared.w[k][across + o * kAcross];
      for (int r = 0; r < kRows; ++r)
        for (int o = 0; o < kOutputs; ++o) sums[r][o] = fmaf(from[r], by[o], sums[r][o]);
    }
    __syncthreads();
  }

  for (int r = 0; r < kRows; ++r)
    for (int o = 0; o < kOutputs; ++o) {
      const int row = first_row + down + r * kDown, output = first_output + across + o * kAcross;
      if (row >= shape.rows || output >= shape.out) continue;
      float* to = out + row * shape.out_stride + output;
      float sum = sums[r][o];
      if (bias != nullptr) sum += bias[output];
      if (shape.add_to_out) sum += *to;
      *to = sum;
    }
}

template <int kOutputs, int kRows>
void launch_f32(const CudaQueue& queue, const float* x, const float* w, const float* bias,
                float* out, const MatmulF32Shape& shape) {
  constexpr int kTileRows = 256 / (kF32Outputs / kOutputs) * kRows;
  const dim3 grid((shape.out + kF32Outputs - 1) / kF32Outputs,
                  (shape.rows + kTileRows - 1) / kTileRows);
  enqueue(queue, "matmul", f32_kernel<kOutputs, kRows>, grid, dim3(256), x, w, bias, out, shape);
}

}  // namespace

void matmul_f32(const CudaQueue& queue, const float* x, const float* w, const float* bias,
                float* out, const MatmulF32Shape& shape) {
  if (shape.rows > 8)
    launch_f32<4, 4>(queue, x, w, bias, out, shape);  // 64 rows
  else
    launch_f32<1, 2>(queue, x, w, bias, out, shape);  // 8
}

}  // namespace tessera
