#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/fault.cuh"
#include "ops/sampling.h"
#include "ops/whole_sums.cuh"

// Compiled without contraction (CMakeLists.txt): a token's weight has the CPU's bits.

namespace tessera {
namespace {

// Sums of whole numbers, which are exact in any order.
struct BitSums {
  uint64_t ones, twos, threes;  // of those whose next two bits are 1, 2, 3
};

struct SampleShared {
  WholeNumbers whole;
  BitSums bits_of_warp[kLogitWarps];
};

__device__ BitSums block_totals(const BitSums& x, SampleShared& shared) {
  const BitSums own = {warp_total(x.ones), warp_total(x.twos), warp_total(x.threes)};
  __syncthreads();
  if (threadIdx.x % kWarpLanes == 0) shared.bits_of_warp[threadIdx.x / kWarpLanes] = own;
  __syncthreads();
  BitSums sum = {};
#pragma unroll 4
  for (int warp = 0; warp < kLogitWarps; ++warp) {
    sum.ones += shared.bits_of_warp[warp].ones;
    sum.twos += shared.bits_of_warp[warp].twos;
    sum.threes += shared.bits_of_warp[warp].threes;
  }
  return sum;
}

// The sum over the threads before this one.
__device__ uint64_t block_before(uint64_t x, SampleShared& shared) {
  const int lane = static_cast<int>(threadIdx.x % kWarpLanes);
  uint64_t up_to = x;
  for (int step = 1; step < kWarpLanes; step *= 2) {
    const uint64_t other = __shfl_up_sync(kWholeWarp, up_to, step);
    if (lane >= step) up_to += other;
  }
  __syncthreads();
  if (lane == kWarpLanes - 1) shared.whole.of_warp[threadIdx.x / kWarpLanes] = up_to;
  __syncthreads();
  uint64_t before = up_to - x;
  for (unsigned warp = 0; warp < threadIdx.x / kWarpLanes; ++warp)
    before += shared.whole.of_warp[warp];
  return before;
}

// As find_cut in sampling.cc: two bits of the key at a time, as counters in registers.
struct KeyCut {
  uint32_t key;
  uint64_t above;
};
template <typename Value>
__device__ KeyCut block_cut(const float* logits, int64_t vocab, uint32_t from, uint64_t reach,
                            SampleShared& shared, const Value& value) {
  KeyCut cut = {.key = 0, .above = 0};
  for (int shift = 30; shift >= 0; shift -= 2) {
    BitSums own = {};
    for (int64_t i = threadIdx.x; i < vocab; i += kLogitThreads) {
      const uint32_t key = logit_key(logits[i]), digit = key >> shift & 3;
      if (digit == 0 || key < from || key >> shift >> 2 != cut.key) continue;
      (digit == 3 ? own.threes : digit == 2 ? own.twos : own.ones) += value(logits[i]);
    }
    const BitSums sums = block_totals(own, shared);
    uint32_t digit = 3;
    for (const uint64_t sum : {sums.threes, sums.twos, sums.ones}) {
      if (cut.above + sum >= reach) break;
      cut.above += sum;
      --digit;
    }
    cut.key = cut.key << 2 | digit;
  }
  return cut;
}

// draw_token, a block for each row.
__global__ void __launch_bounds__(kLogitThreads)
    sample_rows_kernel(const float* all_logits, int64_t stride, int64_t vocab,
                       const TokenDraw* draws, int32_t* tokens, KernelFault* fault) {
  auto& shared = block_shared<SampleShared>();
  const float* logits = all_logits + blockIdx.x * stride;
  const TokenDraw draw = draws[blockIdx.x];
  const uint64_t top_place = block_top(logits, vocab, UINT64_MAX, shared.whole);
  const auto top_token = token_at(top_place);
  const float top = logits[top_token];
  if (!(fabsf(top) <= 0x1.fffffep127F)) {
    if (threadIdx.x == 0)
      report_fault(fault, FaultKind::kLogits, top_token,
                   static_cast<int64_t>(__float_as_uint(top)));
    return;
  }
  const float temperature = draw.options.temperature;
  if (!(temperature > 0)) {
    if (threadIdx.x == 0) tokens[blockIdx.x] = top_token;
    return;
  }

  const auto weight = [=](float logit) { return token_weight(logit, top, temperature); };
  KeyCut cut = {.key = 0, .above = 0};
  const int64_t top_k = draw.options.top_k;
  if (top_k > 0 && top_k < vocab)
    cut = block_cut(logits, vocab, 0, static_cast<uint64_t>(top_k), shared,
                    [](float) { return uint64_t{1}; });
  uint64_t sum = 0, ties = static_cast<uint64_t>(vocab);
  for (int64_t i = threadIdx.x; i < vocab; i += kLogitThreads)
    if (logit_key(logits[i]) >= cut.key) sum += weight(logits[i]);
  sum = block_total(sum, shared.whole);
  if (draw.options.top_p < 1) {
    const uint64_t reach = nucleus_weight(draw.options.top_p, sum);
    cut = block_cut(logits, vocab, cut.key, reach, shared, weight);
    const uint64_t each = weight(logit_of(cut.key));
    ties = (reach - cut.above + each - 1) / each;
    sum = cut.above + ties * each;
  }

  // Each thread has neighbouring ids; the one with the place that is drawn walks through its own.
  const int64_t per_thread = (vocab + kLogitThreads - 1) / kLogitThreads;
  const int64_t first = threadIdx.x * per_thread;
  const int64_t end = first + per_thread < vocab ? first + per_thread : vocab;
  uint64_t own_ties = 0;
  for (int64_t i = first; i < end; ++i) own_ties += logit_key(logits[i]) == cut.key ? 1 : 0;
  const uint64_t ties_before = block_before(own_ties, shared);
  const uint64_t ties_left = ties_before < ties ? ties - ties_before : 0;

  const uint64_t least = least_weight(draw.options.min_p);
  uint64_t left = 0;
  const auto walk = [&](uint64_t start, bool find) {  // over the weights of what is kept
    uint64_t reached = start, ties_here = ties_left;
    for (int64_t i = first; i < end; ++i) {
      const uint32_t key = logit_key(logits[i]);
      if (key < cut.key || (key == cut.key && ties_here == 0)) continue;
      if (key == cut.key) --ties_here;
      const uint64_t one = weight(logits[i]);
      if (one < least) continue;
      reached += one;
      if (!find || reached <= left) continue;
      tokens[blockIdx.x] = static_cast<int32_t>(i);
      return reached;
    }
    return reached;
  };
  const uint64_t own = walk(0, false);
  if (least > 0) sum = block_total(own, shared.whole);
  left = upper_product(draw.random, sum);
  const uint64_t before = block_before(own, shared);
  if (before <= left && left < before + own) walk(before, true);
}

}  // namespace

void sample_rows_cuda(const CudaQueue& queue, const Tensor& logits, const Tensor& draws,
                      const Tensor& tokens) {
  enqueue(queue, "sample_rows", sample_rows_kernel, static_cast<unsigned>(logits.shape[0]),
          kLogitThreads, logits.f32(), logits.row_stride, logits.shape[1],
          static_cast<const TokenDraw*>(draws.data), tokens.i32(), queue.fault);
}

}  // namespace tessera
