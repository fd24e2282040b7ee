#include "cuda/kernel.cuh"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/fault.cuh"
#include "ops/token_logprobs.h"
#include "ops/whole_sums.cuh"

// Compiled without contraction (CMakeLists.txt): the sum is the CPU's.

namespace tessera {
namespace {

// A block for each ask. The likeliest tokens are found one after another, each by a pass over
// logits that lie in L2: the most that may be asked for, 20, cost about what a nucleus does.
__global__ void __launch_bounds__(kLogitThreads)
    token_logprobs_kernel(const float* all_logits, int64_t stride, int64_t vocab,
                          const LogprobAsk* asks, const int32_t* tokens, LogprobRow* out,
                          KernelFault* fault) {
  auto& shared = block_shared<WholeNumbers>();
  const LogprobAsk ask = asks[blockIdx.x];
  LogprobRow& row = out[blockIdx.x];
  const float* logits = all_logits + ask.row * stride;
  uint64_t place = block_top(logits, vocab, UINT64_MAX, shared);
  const float top = logits[token_at(place)];
  if (!(fabsf(top) <= 0x1.fffffep127F)) return;  // nothing could be drawn

  uint64_t sum = 0;
  for (int64_t i = threadIdx.x; i < vocab; i += kLogitThreads)
    sum += token_weight(logits[i], top, 1);
  sum = block_total(sum, shared);
  const double log_sum = static_cast<double>(top) + log(static_cast<double>(sum) * 0x1p-40);
  const auto logprob = [=](int32_t token) {
    return static_cast<float>(static_cast<double>(logits[token]) - log_sum);
  };

  const bool writes = threadIdx.x == 0;
  if (writes) {
    const int32_t token = tokens[ask.drawn];
    if (check_number(fault, FaultKind::kTokenId, token, vocab)) row.logprob = logprob(token);
  }
  for (int i = 0; i < ask.top && i < kMostTopLogprobs; ++i) {
    if (writes) {
      row.top_tokens[i] = place > 0 ? token_at(place) : -1;
      row.top_logprobs[i] = place > 0 ? logprob(token_at(place)) : 0;
    }
    if (i + 1 < ask.top) place = block_top(logits, vocab, place, shared);
  }
}

}  // namespace

void token_logprobs_cuda(const CudaQueue& queue, const Tensor& logits, const Tensor& asks,
                         const Tensor& tokens, const Tensor& out) {
  enqueue(queue, "token_logprobs", token_logprobs_kernel, static_cast<unsigned>(asks.shape[0]),
          kLogitThreads, logits.f32(), logits.row_stride, logits.shape[1],
          static_cast<const LogprobAsk*>(asks.data), tokens.i32(),
          static_cast<LogprobRow*>(out.data), queue.fault);
}

}  // namespace tessera
