#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"

namespace tessera {
namespace {

constexpr int kPatchThreads = 128;

// One number to a thread: lines of a patch are too short, and at no boundary, for words of four.
__global__ void __launch_bounds__(kPatchThreads)
    patchify_kernel(const float* pixels, int64_t height, int64_t width, int64_t patch, int64_t cols,
                    float* out, int64_t out_stride) {
  const int64_t col = static_cast<int64_t>(blockIdx.y) * kPatchThreads + threadIdx.x;
  if (col >= cols) return;
  const int64_t across = width / patch;
  const int64_t top = blockIdx.x / across * patch, left = blockIdx.x % across * patch;
  const int64_t line = col / patch;  // channel * patch + y
  const int64_t channel = line / patch, y = top + line % patch, x = left + col % patch;
  out[blockIdx.x * out_stride + col] = pixels[(channel * height + y) * width + x];
}

}  // namespace

void patchify_cuda(const CudaQueue& queue, const Tensor& pixels, int64_t patch, const Tensor& out) {
  const int64_t rows = out.shape[0], cols = out.shape[1];
  const dim3 grid(static_cast<unsigned>(rows),
                  static_cast<unsigned>((cols + kPatchThreads - 1) / kPatchThreads));
  enqueue(queue, "patchify", patchify_kernel, grid, kPatchThreads, pixels.f32(), pixels.shape[1],
          pixels.shape[2], patch, cols, out.f32(), out.row_stride);
}

}  // namespace tessera
