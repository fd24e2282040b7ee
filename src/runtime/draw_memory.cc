#include "runtime/draw_memory.h"

#include <algorithm>
#include <cassert>

#include "ops/edit_logits.h"
#include "ops/token_logprobs.h"

namespace tessera {
namespace {

// Tensors one behind the other; of memory that is null all are.
class Parts {
 public:
  Parts(void* bytes, Device* device) : next_(static_cast<std::byte*>(bytes)), device_(device) {}

  Tensor take(DType dtype, const Shape& shape) {
    const Tensor part(next_, device_, dtype, shape);
    if (next_ != nullptr) next_ += part.bytes();
    bytes_ += part.bytes();
    return part;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::byte* next_;
  Device* device_;
  uint64_t bytes_ = 0;
};

template <typename T>
Tensor take_structs(Parts& parts, int64_t count) {
  return parts.take(DType::kU8, {count, int64_t{sizeof(T)}});
}

DrawInput take_input(Parts& parts, const DrawCounts& counts, int64_t vocab) {
  // The widest first, so that each is aligned.
  static_assert(alignof(TokenDraw) >= alignof(EditedRow) && alignof(LogitEdit) == sizeof(int32_t) &&
                alignof(LogprobAsk) == sizeof(int32_t));
  return {.draws = take_structs<TokenDraw>(parts, counts.rows),
          .edited_rows = take_structs<EditedRow>(parts, counts.edited_rows),
          .edits = take_structs<LogitEdit>(parts, counts.edits),
          .asks = take_structs<LogprobAsk>(parts, counts.logprobs),
          .masks = parts.take(DType::kI32, {counts.masks, mask_words(vocab)})};
}

DrawOutput take_output(Parts& parts, const DrawCounts& counts) {
  return {.tokens = parts.take(DType::kI32, {counts.rows}),
          .logprobs = take_structs<LogprobRow>(parts, counts.logprobs)};
}

TokenLogprobs told(const LogprobRow& row, int32_t token, int count) {
  TokenLogprobs out{.token = token, .logprob = row.logprob};
  for (int i = 0; i < count && row.top_tokens[i] >= 0; ++i)
    out.top.emplace_back(row.top_tokens[i], row.top_logprobs[i]);
  return out;
}

}  // namespace

bool DrawCounts::within(const DrawCounts& most) const {
  return rows <= most.rows && edited_rows <= most.edited_rows && edits <= most.edits &&
         masks <= most.masks && logprobs <= most.logprobs;
}

DrawCounts count_draws(std::span<const WantedRow> wanted) {
  DrawCounts counts{.rows = std::ssize(wanted)};
  for (const WantedRow& row : wanted) {
    if (row.wants_logprobs()) ++counts.logprobs;
    if (!row.edited()) continue;
    ++counts.edited_rows;
    counts.edits += std::ssize(row.edits);
    if (!row.mask.empty()) ++counts.masks;
  }
  return counts;
}

DrawCounts most_draws(const PipelineLimits& limits, int64_t vocab) {
  return {.rows = limits.wanted,
          .edited_rows = limits.edited_rows,
          .edits = limits.edited_rows * std::min(limits.row_edits, vocab),
          .masks = limits.masked_rows,
          .logprobs = limits.logprob_rows};
}

DrawInput draw_input(void* bytes, Device* device, const DrawCounts& counts, int64_t vocab) {
  Parts parts(bytes, device);
  return take_input(parts, counts, vocab);
}

uint64_t draw_input_bytes(const DrawCounts& counts, int64_t vocab) {
  Parts parts(nullptr, nullptr);
  take_input(parts, counts, vocab);
  return parts.bytes();
}

DrawOutput draw_output(void* bytes, Device* device, const DrawCounts& counts) {
  Parts parts(bytes, device);
  return take_output(parts, counts);
}

uint64_t draw_output_bytes(const DrawCounts& counts) {
  Parts parts(nullptr, nullptr);
  take_output(parts, counts);
  return parts.bytes();
}

void pack_draws(std::span<const WantedRow> wanted, int64_t vocab, void* bytes) {
  const DrawCounts counts = count_draws(wanted);
  const DrawInput input = draw_input(bytes, nullptr, counts, vocab);
  auto* draw = static_cast<TokenDraw*>(input.draws.data);
  auto* edited = static_cast<EditedRow*>(input.edited_rows.data);
  auto* edits = static_cast<LogitEdit*>(input.edits.data);
  auto* ask = static_cast<LogprobAsk*>(input.asks.data);
  auto* mask = static_cast<uint32_t*>(input.masks.data);
  int32_t edits_before = 0, masks_before = 0, asks_before = 0;
  for (int32_t i = 0; i < static_cast<int32_t>(wanted.size()); ++i) {
    const WantedRow& row = wanted[static_cast<size_t>(i)];
    *draw++ = row.draw.value_or(TokenDraw{});
    if (row.wants_logprobs())
      *ask++ = {
          .row = counts.edited_rows > 0 ? asks_before++ : i, .drawn = i, .top = row.top_logprobs};
    if (!row.edited()) continue;
    const auto count = static_cast<int32_t>(row.edits.size());
    *edited++ = {.row = i,
                 .first_edit = edits_before,
                 .edits = count,
                 .mask = row.mask.empty() ? -1 : masks_before++};
    edits = std::ranges::copy(row.edits, edits).out;
    edits_before += count;
    assert(row.mask.empty() || std::ssize(row.mask) == mask_words(vocab));
    mask = std::ranges::copy(row.mask, mask).out;
  }
}

DrawnTokens unpack_draws(std::span<const WantedRow> wanted, void* bytes) {
  const DrawCounts counts = count_draws(wanted);
  const DrawOutput output = draw_output(bytes, nullptr, counts);
  const auto* tokens = static_cast<const int32_t*>(output.tokens.data);
  DrawnTokens drawn{.tokens = {tokens, tokens + counts.rows}};
  if (counts.logprobs == 0) return drawn;
  const auto* row = static_cast<const LogprobRow*>(output.logprobs.data);
  for (size_t i = 0; i < wanted.size(); ++i)
    drawn.logprobs.push_back(wanted[i].wants_logprobs()
                                 ? told(*row++, tokens[i], wanted[i].top_logprobs)
                                 : TokenLogprobs{.token = tokens[i]});
  return drawn;
}

}  // namespace tessera
