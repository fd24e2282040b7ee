#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_tile.h"
#include "ops/enqueue.cuh"
#include "ops/float_math.h"
#include "ops/reduce.cuh"

// f32 pages: the definition of attention_tile.h in its own order, to the bits of the CPUs; compiled
// without contraction (CMakeLists.txt). For comparisons: nothing is read once for several heads.

namespace tessera {
namespace {

constexpr int kFloatThreads = 128;
constexpr int kMostDims = 256;  // kMaxHeadDim
constexpr int kThreadDims = kMostDims / kFloatThreads;
constexpr int kGroup = static_cast<int>(kGroupTokens);

struct FloatShared {
  float q[kMostDims];
  float scores[kGroup], weights[kGroup];
  const float* values[kGroup / kPageTokens];  // of the group's pages, null: of a page that is none
};

// One head of one row. Threads are tokens of a group for its scores, then dimensions for its
// values.
__global__ void __launch_bounds__(kFloatThreads) attend_floats_kernel(AttentionCall call) {
  auto& shared = block_shared<FloatShared>();
  const int thread = static_cast<int>(threadIdx.x), slot = thread % kPageTokens;
  const int head = static_cast<int>(blockIdx.y), kv_head = head / (call.heads / call.kv_heads);
  const int64_t row = blockIdx.x, column = static_cast<int64_t>(head) * call.head_dim;
  const int context = row_context(call, row), dim = call.head_dim;
  if (context == 0) return;
  for (int d = thread; d < dim; d += kFloatThreads)
    shared.q[d] = call.q[row * call.q_stride + column + d];
  __syncthreads();

  float sums[kThreadDims] = {}, lane = 0 /* l of the definition, of this slot */,
        largest = kLowestScore;
  for (int first = 0; first < context; first += kGroup) {
    const int count = min(kGroup, context - first);
    if (thread < count) {
      const int page = page_of(call, row_sequence(call, row), (first + thread) / kPageTokens);
      const auto* keys = reinterpret_cast<const float*>(keys_of(call, page, kv_head)) + slot;
      float score = 0;
      for (int d = 0; d < dim && page >= 0; ++d)
        score = fmaf(shared.q[d], keys[d * kPageTokens], score);
      shared.scores[thread] = call.scale * score;
      if (slot == 0)
        shared.values[thread / kPageTokens] =
            page < 0 ? nullptr : reinterpret_cast<const float*>(values_of(call, page, kv_head));
    }
    __syncthreads();
    const float before = largest;
    for (int token = 0; token < count; ++token) {
      const float score = shared.scores[token];
      if (largest < score) largest = score;  // not of NaN, which comes through the weights
    }
    const float factor = exp2_f32_of_negative(before - largest);
    if (thread < kGroup)
      shared.weights[thread] =
          thread < count ? exp2_f32_of_negative(shared.scores[thread] - largest) : 0;
    __syncthreads();

    const float* weights = shared.weights;
    lane = lane * factor +
           ((weights[slot] + weights[slot + 16]) + (weights[slot + 32] + weights[slot + 48]));
#pragma unroll
    for (int i = 0; i < kThreadDims; ++i) {
      const int d = thread + i * kFloatThreads;
      if (d >= dim) break;
      float sum = sums[i] * factor;
#pragma unroll 4
      for (int token = 0; token < count; ++token) {
        const float* values = shared.values[token / kPageTokens];
        if (values != nullptr)
          sum = fmaf(weights[token], values[token % kPageTokens * dim + d], sum);
      }
      sums[i] = sum;
    }
    __syncthreads();  // the group's pages have been read
  }

#pragma unroll
  for (int half = kPageTokens / 2; half > 0; half /= 2)
    lane += __shfl_xor_sync(kWholeWarp, lane, half);
#pragma unroll
  for (int i = 0; i < kThreadDims; ++i) {
    const int d = thread + i * kFloatThreads;
    if (d < dim) call.out[row * call.out_stride + column + d] = sums[i] / lane;
  }
}

}  // namespace

void attend_floats(const CudaQueue& queue, const AttentionCall& call) {
  const dim3 grid(static_cast<unsigned>(call.rows), static_cast<unsigned>(call.heads));
  enqueue(queue, "attention", attend_floats_kernel, grid, kFloatThreads, call);
}

}  // namespace tessera
