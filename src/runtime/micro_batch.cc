#include "runtime/micro_batch.h"

#include <algorithm>

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
  logits.clear();
  error = nullptr;
  begun = nullptr;
  input_ready = nullptr;
  stages_queued.store(0, std::memory_order_relaxed);
  finished.store(false, std::memory_order_relaxed);
}

void MicroBatch::pack_input() {
  auto to = input.as<int32_t>().begin();
  for (const auto* part : {&ids, &positions, &sequence, &blocks})
    to = std::ranges::copy(*part, to).out;
}

void MicroBatch::unpack_output(int64_t vocab) {
  const auto drawn_tokens = drawn.as<const int32_t>().first(wanted.size());
  tokens.assign(drawn_tokens.begin(), drawn_tokens.end());
  if (!want_logits) return;
  const auto rows = output.as<const float>().first(wanted.size() * static_cast<size_t>(vocab));
  logits.assign(rows.begin(), rows.end());
}

}  // namespace tessera
