#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "device/device.h"
#include "runtime/block_pool.h"
#include "runtime/wanted_row.h"
#include "tessera/cancel.h"
#include "tessera/serving.h"

namespace tessera {

/// Rows of a picture that stand in a micro-batch instead of embedded tokens.
struct ImageSlice {
  const float* rows;  ///< f32 [count, hidden] in host memory, valid once `ready` has passed
  Event* ready;
  int64_t first_row;  ///< in the micro-batch
  int64_t count;
};

/// The tokens of one or several sequences that walk the pipeline together. Made once, at load, with
/// room for the largest; the engine fills the first part, the pipeline the second.
struct MicroBatch {
  // Per row.
  std::vector<int32_t> ids;  ///< 0 where a picture's row stands
  std::vector<int32_t> positions;
  std::vector<int32_t> sequence;  ///< index into `blocks`
  // Per sequence, [sequences, max_blocks].
  std::vector<int32_t> blocks;
  int64_t sequences = 0, max_blocks = 0;

  std::vector<BlockCopy> copies;
  std::vector<ImageSlice> images;
  std::vector<WantedRow> wanted;
  bool want_logits = false;            ///< copy the wanted rows' logits, unedited, to the host
  const CancelFlag* cancel = nullptr;  ///< when set, the stages skip what is left

  /// Of the plan that it runs under, from Pipeline::acquire on: the layers and weights that it
  /// meets on each stage are those of this epoch.
  int64_t epoch = 0;

  // Results, per wanted row.
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;  ///< empty where no row wants any
  std::vector<float> logits;            ///< [wanted, vocab]
  std::exception_ptr error;
  double busiest_s = 0;  ///< on the stage that computed longest on it, by the device's clock

  // The pipeline's own.
  HostBuffer input;   ///< what devices copy in: ids; positions, sequence, blocks for each stage
  HostBuffer draws;   ///< what decides the tokens (draw_memory.h), copied in by the last stage
  HostBuffer drawn;   ///< what came of it, copied out
  HostBuffer output;  ///< f32 [wanted, vocab]: logits, where they are wanted
  Event* begun = nullptr;        ///< simulated time at which it was acquired; null in real time
  Event* input_ready = nullptr;  ///< passes when the next stage's rows are there; null: they are
  int slot = 0;
  std::atomic<int> stages_queued{0};  ///< that have queued their part
  std::atomic<bool> finished{false};

  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
  std::span<const int32_t> packed_ids() const { return input.as<int32_t>().first(ids.size()); }
  std::span<const int32_t> packed_indices() const {
    return input.as<int32_t>().subspan(ids.size(), 2 * ids.size() + blocks.size());
  }
  bool stopped() const { return error != nullptr || (cancel != nullptr && cancel->cancelled()); }
  void clear();
  bool draws_tokens() const;
  void pack_input(int64_t vocab);
  void unpack_output(int64_t vocab);  ///< into the results; once the last stage is done
};

}  // namespace tessera
