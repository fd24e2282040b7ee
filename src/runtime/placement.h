#pragma once

#include <cstdint>
#include <vector>

#include "device/device.h"
#include "model/model.h"
#include "tessera/kv_format.h"

namespace tessera {

/// A share of the decoder: consecutive layers on one device.
struct StagePlacement {
  Device* device;
  int64_t first_layer, last_layer;    ///< both included
  std::vector<Precision> precisions;  ///< of each of these layers
};

/// Which device holds which unit. Devices outlive all that is placed on them.
struct Placement {
  std::vector<StagePlacement> stages;  ///< in pipeline order; the last also holds the head
  Precision head;
  Device* embedding;  ///< may be the host
  Device* vision;     ///< null where the model has no tower, or it is not wanted
};

/// The sizes that memory is set aside for; the same for the planner and the pipeline.
struct PipelineLimits {
  int64_t rows;        ///< most rows of one micro-batch: a prefill chunk, or the sequences decoded
  int64_t sequences;   ///< most sequences in one micro-batch
  int64_t wanted;      ///< most rows of one micro-batch that go through the head
  int64_t logit_rows;  ///< of these, most whose logits come to the host
  int64_t max_blocks;  ///< KV blocks of one sequence
  int64_t kv_blocks;   ///< KV blocks in all
  int slots;           ///< micro-batches in flight
  Precision wide;      ///< of what stays at 16 bits or more: f32 or bf16
  KvFormat kv;

  // What may be asked of drawing, of one micro-batch; 0: never asked, and nothing is set aside.
  int64_t edited_rows = 0;   ///< most rows with penalties, biases or masks
  int64_t row_edits = 0;     ///< most tokens edited in one of these; never more than the vocabulary
  int64_t masked_rows = 0;   ///< most of these with a mask
  int64_t logprob_rows = 0;  ///< most rows whose log probabilities are wanted
};

}  // namespace tessera
