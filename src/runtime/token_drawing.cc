#include "runtime/token_drawing.h"

#include <vector>

#include "ops/edit_logits.h"
#include "ops/sample_rows.h"
#include "ops/token_logprobs.h"

namespace tessera {
namespace {

std::vector<int64_t> rows_with_logprobs(std::span<const WantedRow> wanted) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i].wants_logprobs()) rows.push_back(static_cast<int64_t>(i));
  return rows;
}

}  // namespace

DrawBuffers take_draw_buffers(Arena& arena, const DrawCounts& counts, int64_t vocab) {
  const auto take = [&](uint64_t bytes) {
    return arena.take(DType::kU8, {static_cast<int64_t>(bytes)});
  };
  const Tensor input = take(draw_input_bytes(counts, vocab));
  const Tensor output = take(draw_output_bytes(counts));
  const int64_t kept = counts.edited_rows > 0 ? counts.logprobs : 0;
  return {.input = draw_input(input.data, input.device, counts, vocab),
          .output = draw_output(output.data, output.device, counts),
          .kept = arena.take(DType::kF32, {kept, vocab})};
}

void copy_picked_rows(Stream& stream, const Tensor& from, std::span<const int64_t> picked,
                      const Tensor& to) {
  Device& device = stream.device();
  const auto rows = static_cast<int64_t>(picked.size());
  for (int64_t first = 0; first < rows;) {
    const int64_t row = picked[static_cast<size_t>(first)];
    int64_t count = 1;
    while (first + count < rows && picked[static_cast<size_t>(first + count)] == row + count)
      ++count;
    const Tensor source = from.slice_rows(row, count);
    stream.copy(to.slice_rows(first, count).data, &device, source.data, &device, source.bytes());
    first += count;
  }
}

void draw_tokens(Stream& stream, Arena& arena, std::span<const WantedRow> wanted,
                 const void* packed, void* drawn, Tensor& logits) {
  Device& device = stream.device();
  const int64_t vocab = logits.shape[1];
  const DrawCounts counts = count_draws(wanted);
  DrawBuffers at = take_draw_buffers(arena, counts, vocab);
  stream.copy(at.input.draws.data, &device, packed, nullptr, draw_input_bytes(counts, vocab));

  const bool edits = counts.edited_rows > 0, logprobs = counts.logprobs > 0;
  if (edits && logprobs) copy_picked_rows(stream, logits, rows_with_logprobs(wanted), at.kept);
  if (edits)
    edit_logits(stream,
                {.rows = at.input.edited_rows, .edits = at.input.edits, .masks = at.input.masks},
                logits);
  sample_rows(stream, logits, at.input.draws, at.output.tokens);
  if (logprobs)
    token_logprobs(stream, edits ? at.kept : logits, at.input.asks, at.output.tokens,
                   at.output.logprobs);
  stream.copy(drawn, nullptr, at.output.tokens.data, &device, draw_output_bytes(counts));
}

}  // namespace tessera
