#include "runtime/micro_batch.h"

#include <algorithm>

#include "runtime/draw_memory.h"

namespace tessera {

void MicroBatch::clear() {
  ids.clear();
  positions.clear();
  sequence.clear();
  blocks.clear();
  sequences = 0;
  max_blocks = 0;
  copies.clear();
  images.clear();
  wanted.clear();
  want_logits = false;
  cancel = nullptr;
  tokens.clear();
  logprobs.clear();
  logits.clear();
  error = nullptr;
  busiest_s = 0;
  begun = nullptr;
  input_ready = nullptr;
  stages_queued.store(0, std::memory_order_relaxed);
  finished.store(false, std::memory_order_relaxed);
}

bool MicroBatch::draws_tokens() const {
  return std::ranges::any_of(wanted, [](const WantedRow& row) { return row.draw.has_value(); });
}

void MicroBatch::pack_input(int64_t vocab) {
  auto to = input.as<int32_t>().begin();
  for (const auto* part : {&ids, &positions, &sequence, &blocks})
    to = std::ranges::copy(*part, to).out;
  if (draws_tokens()) pack_draws(wanted, vocab, draws.data());
}

void MicroBatch::unpack_output(int64_t vocab) {
  if (draws_tokens()) {
    DrawnTokens back = unpack_draws(wanted, drawn.data());
    tokens = std::move(back.tokens);
    logprobs = std::move(back.logprobs);
  }
  if (!want_logits) return;
  const auto rows = output.as<const float>().first(wanted.size() * static_cast<size_t>(vocab));
  logits.assign(rows.begin(), rows.end());
}

}  // namespace tessera
