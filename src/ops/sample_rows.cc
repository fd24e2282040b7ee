#include "ops/sample_rows.h"

#include <exception>
#include <mutex>

#include "ops/checks.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {
namespace {

void sample_rows_cpu(WorkerPool& pool, const Tensor& logits, const Tensor& draws,
                     const Tensor& tokens) {
  const auto* draw = static_cast<const TokenDraw*>(draws.data);
  const auto vocab = static_cast<size_t>(logits.shape[1]);
  std::mutex mutex;
  std::exception_ptr failed;  // no loop may throw
  pool.for_each(logits.shape[0], [&](int64_t r) {
    try {
      tokens.i32()[r] = draw_token({logits.f32(r), vocab}, draw[r]);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  });
  if (failed) std::rethrow_exception(failed);
}

}  // namespace

void sample_rows(Stream& stream, const Tensor& logits, const Tensor& draws, Tensor& tokens) {
  const Checks check("sample_rows", stream);
  check.matrix("logits", logits, {DType::kF32});
  const int64_t rows = logits.shape[0];
  check.that(logits.shape[1] >= 1 && logits.shape[1] < int64_t{1} << 23, "tokens of a row",
             "1 to 2^23 - 1", logits.shape[1]);
  check.tensor("draws", draws, {DType::kU8}, {rows, int64_t{sizeof(TokenDraw)}});
  check.that(draws.dense(), "stride of draws", "dense", draws.row_stride);
  check.tensor("tokens", tokens, {DType::kI32}, {rows});

  const auto elements = static_cast<double>(logits.shape.elements());
  launch(
      stream, {.flops = elements, .bytes = 4 * elements},
      [=](WorkerPool& pool) { sample_rows_cpu(pool, logits, draws, tokens); },
      [=](auto& queue) { sample_rows_cuda(queue, logits, draws, tokens); });
}

}  // namespace tessera
