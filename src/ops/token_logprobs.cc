#include "ops/token_logprobs.h"

#include <cmath>
#include <exception>
#include <mutex>
#include <string>

#include "ops/checks.h"
#include "ops/cuda.h"
#include "ops/launch.h"
#include "ops/sampling.h"
#include "ops/token_weight.h"

namespace tessera {
namespace {

LogprobRow logprobs_of(std::span<const float> logits, int32_t token, int32_t count) {
  const std::vector<TokenLogit> top = top_logits(logits, std::max(count, 1));
  uint64_t sum = 0;
  for (const float logit : logits) sum += token_weight(logit, top[0].logit, 1);
  const double log_sum = double{top[0].logit} + std::log(static_cast<double>(sum) * 0x1p-40);
  const auto logprob = [&](float logit) { return static_cast<float>(double{logit} - log_sum); };

  LogprobRow row = {
      .logprob = logprob(logits[static_cast<size_t>(token)]), .top_logprobs = {}, .top_tokens = {}};
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    row.top_tokens[i] = i < top.size() ? top[i].token : -1;
    if (i < top.size()) row.top_logprobs[i] = logprob(top[i].logit);
  }
  return row;
}

void token_logprobs_cpu(WorkerPool& pool, const Tensor& logits, const Tensor& asks,
                        const Tensor& tokens, const Tensor& out) {
  const auto* ask = static_cast<const LogprobAsk*>(asks.data);
  auto* row = static_cast<LogprobRow*>(out.data);
  const auto vocab = static_cast<size_t>(logits.shape[1]);
  std::mutex mutex;
  std::exception_ptr failed;  // no loop may throw
  pool.for_each(asks.shape[0], [&](int64_t i) {
    try {
      row[i] = logprobs_of({logits.f32(ask[i].row), vocab}, tokens.i32()[ask[i].drawn], ask[i].top);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  });
  if (failed) std::rethrow_exception(failed);
}

}  // namespace

void token_logprobs(Stream& stream, const Tensor& logits, const Tensor& asks, const Tensor& tokens,
                    Tensor& out) {
  const Checks check("token_logprobs", stream);
  check.matrix("logits", logits, {DType::kF32});
  const int64_t vocab = logits.shape[1], count = asks.shape[0];
  check.that(vocab >= 1 && vocab < int64_t{1} << 23, "tokens of a row", "1 to 2^23 - 1", vocab);
  check.tensor("asks", asks, {DType::kU8}, {count, int64_t{sizeof(LogprobAsk)}});
  check.tensor("tokens", tokens, {DType::kI32}, {tokens.shape[0]});
  check.tensor("out", out, {DType::kU8}, {count, int64_t{sizeof(LogprobRow)}});
  check.that(asks.dense(), "stride of asks", "dense", asks.row_stride);
  check.that(out.dense(), "stride of out", "dense", out.row_stride);

  const auto elements = static_cast<double>(count * vocab);
  launch(
      stream, {.flops = elements, .bytes = 4 * elements},
      [=](WorkerPool& pool) { token_logprobs_cpu(pool, logits, asks, tokens, out); },
      [=](auto& queue) { token_logprobs_cuda(queue, logits, asks, tokens, out); });
}

}  // namespace tessera
