#include <algorithm>

#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_step.cuh"
#include "ops/enqueue.cuh"
#include "ops/reduce.cuh"

namespace tessera {
namespace {

constexpr int kFloatWarps = 4;
constexpr int kFloatThreads = kFloatWarps * kWarpThreads;
constexpr int kMostDims = 256;  // kMaxHeadDim
constexpr int kLaneDims = kMostDims / kWarpThreads;

// A block has one head of one row; warp w meets pages w, w + 4, .. of its context, then the warps'
// results are added in their order. A lane has a token and every second dimension of a page's keys,
// and dimensions lane, lane + 32, .. of its values. The definition of attention_step.cuh with a
// page for a step, a warp for a split, and fma chains in f32.
__global__ void __launch_bounds__(kFloatThreads) attend_floats_kernel(AttentionCall call) {
  struct Shared {
    float q[kMostDims];
    float weights[kFloatWarps][kPageTokens];
    SplitTotal totals[kFloatWarps];
    float sums[kFloatWarps][kMostDims];
  };
  auto& shared = block_shared<Shared>();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarpThreads;
  const int lane = thread % kWarpThreads, slot = lane % kPageTokens;
  const int head = static_cast<int>(blockIdx.y), kv_head = head / (call.heads / call.kv_heads);
  const int64_t row = blockIdx.x;
  const int context = row_context(call, row), dim = call.head_dim;
  if (context == 0) return;
  const int64_t sequence = row_sequence(call, row), column = static_cast<int64_t>(head) * dim;
  for (int d = thread; d < dim; d += kFloatThreads)
    shared.q[d] = call.q[row * call.q_stride + column + d];
  __syncthreads();

  float sums[kLaneDims] = {};
  float largest = kLowestScore, total = 0;
  
  for (int first = warp * kPageTokens; first < context; first += kFloatWarps * kPageTokens) {
    const int page = page_of(call, sequence, first / kPageTokens), count = min(kPageTokens, context - first);
    const auto* keys = reinterpret_cast<const float*>(keys_of(call, page, kv_head)) + slot;
    const auto* values = reinterpret_cast<const float*>(values_of(call, page, kv_head));
    float score = 0;
    if (page >= 0 && slot < count)
      for (int d = lane / kPageTokens; d < dim; d += 2)
        score = fmaf(shared.q[d], keys[d * kPageTokens], score);
    score = __fmul_rn(score + __shfl_xor_sync(kWholeWarp, score, kPageTokens), call.scale);

    float most = slot < count ? fmaxf(largest, score) : largest;
#pragma unroll
    for (int step = kPageTokens / 2; step > 0; step /= 2)
      most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, step));
    const float factor = exp2f(largest - most);
    const float weight = slot < count ? exp2f(score - most) : 0;
    largest = most;
    total = fmaf(total, factor, warp_sum<kPageTokens>(weight));
    __syncwarp();  // the last page's weights have been read
    if (lane < kPageTokens) shared.weights[warp][slot] = weight;
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kLaneDims; ++i) {
      const int d = lane + i * kWarpThreads;
      if (d >= dim) break;
      sums[i] = __fmul_rn(sums[i], factor);
      for (int token = 0; token < count && page >= 0; ++token)
        sums[i] = fmaf(shared.weights[warp][token], values[token * dim + d], sums[i]);
    }
  }
  if (lane == 0) shared.totals[warp] = {largest, total};
#pragma unroll
  for (int i = 0; i < kLaneDims; ++i) shared.sums[warp][lane + i * kWarpThreads] = sums[i];
  __syncthreads();

  for (int d = thread; d < dim; d += kFloatThreads) {
    SplitTotal all = shared.totals[0];
    float sum = shared.sums[0][d];
#pragma unroll
    for (int part = 1; part < kFloatWarps; ++part) {
      const SplitTotal one = shared.totals[part];
      sum = combined(sum, shared.sums[part][d], all.take(one.largest, one.sum));
    }
    call.out[row * call.out_stride + column + d] = sum / all.sum;
  }
}

}  // namespace

void attend_floats(const CudaQueue& queue, const AttentionCall& call) {
  const dim3 grid(static_cast<unsigned>(call.rows), static_cast<unsigned>(call.heads));
  enqueue(queue, "attention", attend_floats_kernel, grid, kFloatThreads, call);
}

}  // namespace tessera
