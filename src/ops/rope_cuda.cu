#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

constexpr int kRopeThreads = 128;
constexpr int kRopeAngles = 64;  // at a time: all of a head of 128
constexpr int kRopeHeads = 8;    // of one block, which share its sines and cosines

struct alignas(16) RopeAngles {
  float cosine[kRopeAngles], sine[kRopeAngles];
};

// Four numbers of the lower half and their partners above turn in place.
template <bool kAligned>
__device__ void turn_four(float* low, float* high, int64_t count, const float* cosine,
                          const float* sine) {
  const float4 a = load_four<kAligned>(low, count), b = load_four<kAligned>(high, count);
  const float4 c = load_four<true>(cosine, 4), s = load_four<true>(sine, 4);
  store_four<kAligned>(low,
                       {fmaf(a.x, c.x, -(b.x * s.x)), fmaf(a.y, c.y, -(b.y * s.y)),
                        fmaf(a.z, c.z, -(b.z * s.z)), fmaf(a.w, c.w, -(b.w * s.w))},
                       count);
  store_four<kAligned>(high,
                       {fmaf(b.x, c.x, a.x * s.x), fmaf(b.y, c.y, a.y * s.y),
                        fmaf(b.z, c.z, a.z * s.z), fmaf(b.w, c.w, a.w * s.w)},
                       count);
}

// A block turns kRopeHeads heads of one row.
template <bool kAligned>
__global__ void __launch_bounds__(kRopeThreads)
    rope_kernel(float* x, int64_t stride, const int32_t* positions, int64_t heads, int64_t half,
                const float* inv_freq) {
  auto& angles = block_shared<RopeAngles>();
  const auto position = static_cast<float>(positions[blockIdx.x]);
  const int64_t first_head = static_cast<int64_t>(blockIdx.y) * kRopeHeads;
  float* row = x + blockIdx.x * stride + first_head * 2 * half;
  const int64_t block_heads = heads - first_head < kRopeHeads ? heads - first_head : kRopeHeads;

  for (int64_t first = 0; first < half; first += kRopeAngles) {
    const int64_t count = half - first < kRopeAngles ? half - first : kRopeAngles;
    __syncthreads();  // the last ones have been read
    if (threadIdx.x < kRopeAngles) {
      // The product is rounded to f32 whatever the compiler would make of it.
      const bool there = threadIdx.x < count;
      const float angle = there ? __fmul_rn(position, inv_freq[first + threadIdx.x]) : 0;
      sincosf(angle, &angles.sine[threadIdx.x], &angles.cosine[threadIdx.x]);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < block_heads * (kRopeAngles / 4); i += kRopeThreads) {
      const int at = i % (kRopeAngles / 4) * 4;
      if (at >= count) continue;
      float* low = row + i / (kRopeAngles / 4) * 2 * half + first + at;
      turn_four<kAligned>(low, low + half, count - at, angles.cosine + at, angles.sine + at);
    }
  }
}

}  // namespace

void rope_cuda(const CudaQueue& queue, const Tensor& x, const Tensor& positions, int64_t heads,
               int64_t head_dim, const Tensor& inv_freq) {
  const bool aligned = rows_aligned(x) && head_dim % 8 == 0;  // both halves of every head
  const dim3 grid(static_cast<unsigned>(x.shape[0]),
                  static_cast<unsigned>((heads + kRopeHeads - 1) / kRopeHeads));
  enqueue(queue, "rope", aligned ? rope_kernel<true> : rope_kernel<false>, grid, kRopeThreads,
          x.f32(), x.row_stride, positions.i32(), heads, head_dim / 2, inv_freq.f32());
}

}  // namespace tessera
