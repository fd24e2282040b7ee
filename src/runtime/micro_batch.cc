#include "runtime/micro_batch.h"

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
  indices.clear();
  finished.store(false, std::memory_order_relaxed);
}

void MicroBatch::pack_indices() {
  indices.clear();
  for (const auto* part : {&positions, &sequence, &blocks})
    indices.insert(indices.end(), part->begin(), part->end());
}

}  // namespace tessera
