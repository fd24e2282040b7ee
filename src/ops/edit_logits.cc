#include "ops/edit_logits.h"

#include <cmath>
#include <mutex>
#include <optional>
#include <string>

#include "ops/checks.h"
#include "ops/cuda.h"
#include "ops/launch.h"

namespace tessera {
namespace {

// Returns the first token that is none.
std::optional<int32_t> edit_row(const LogitEdits& edits, const EditedRow& row, float* logits,
                                int64_t vocab) {
  const auto* edit = static_cast<const LogitEdit*>(edits.edits.data) + row.first_edit;
  for (int32_t i = 0; i < row.edits; ++i) {
    const int32_t token = edit[i].token;
    if (token < 0 || token >= vocab) return token;
    logits[token] = edited_logit(logits[token], edit[i]);
  }
  if (row.mask < 0) return {};
  const int32_t* mask = edits.masks.i32(row.mask);
  for (int64_t token = 0; token < vocab; ++token)
    if ((static_cast<uint32_t>(mask[token / 32]) >> (token % 32) & 1) == 0)
      logits[token] = -INFINITY;
  return {};
}

void edit_logits_cpu(WorkerPool& pool, const LogitEdits& edits, const Tensor& logits) {
  const auto* rows = static_cast<const EditedRow*>(edits.rows.data);
  const int64_t vocab = logits.shape[1];
  std::mutex mutex;
  std::optional<int32_t> wrong;  // no loop may throw
  pool.for_each(edits.rows.shape[0], [&](int64_t r) {
    const auto token = edit_row(edits, rows[r], logits.f32(rows[r].row), vocab);
    if (!token) return;
    const std::lock_guard lock(mutex);
    wrong = token;
  });
  if (wrong)
    throw Error({.where = "edit_logits",
                 .what = "token id",
                 .expected = "0 to " + std::to_string(vocab - 1),
                 .found = std::to_string(*wrong)});
}

}  // namespace

void edit_logits(Stream& stream, const LogitEdits& edits, Tensor& logits) {
  const Checks check("edit_logits", stream);
  check.matrix("logits", logits, {DType::kF32});
  const int64_t vocab = logits.shape[1], rows = edits.rows.shape[0];
  check.that(vocab >= 1 && vocab < int64_t{1} << 23, "tokens of a row", "1 to 2^23 - 1", vocab);
  check.that(rows <= logits.shape[0], "edited rows", "at most those of logits", rows);
  check.tensor("rows", edits.rows, {DType::kU8}, {rows, int64_t{sizeof(EditedRow)}});
  check.tensor("edits", edits.edits, {DType::kU8},
               {edits.edits.shape[0], int64_t{sizeof(LogitEdit)}});
  check.tensor("masks", edits.masks, {DType::kI32}, {edits.masks.shape[0], mask_words(vocab)});
  for (const Tensor* dense : {&edits.rows, &edits.edits, &edits.masks})
    check.that(dense->dense(), "stride of what is edited", "dense", dense->row_stride);

  const auto edited = static_cast<double>(edits.edits.shape[0]);
  const auto masked = static_cast<double>(edits.masks.shape[0] * vocab);
  launch(
      stream, {.flops = 3 * edited, .bytes = 20 * edited + 4 * masked},
      [=](WorkerPool& pool) { edit_logits_cpu(pool, edits, logits); },
      [=](auto& queue) { edit_logits_cuda(queue, edits, logits); });
}

}  // namespace tessera
