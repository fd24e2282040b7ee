#pragma once

#include <driver_types.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "cuda_emulator/stream_op.h"

namespace tessera {

/// How many captured ops of each stream.
using CapturedOps = std::map<cudaStream_t, size_t>;

/// What streams do while they are captured: the ops in the order of submission, which is one of
/// those that the streams' events allow.
struct Capture {
  cudaStream_t origin = nullptr;
  std::vector<StreamOp> ops = {};
  std::map<cudaStream_t, CapturedOps> seen = {};  ///< by each stream: itself, and through events
  bool broken = false;                            ///< by a call that cannot be captured

  void add(cudaStream_t stream, StreamOp op) {
    ops.push_back(std::move(op));
    ++seen[stream][stream];
  }

  /// `stream` waits for an event that was recorded when so much had been seen.
  void join(cudaStream_t stream, const CapturedOps& recorded) {
    CapturedOps& own = seen[stream];
    for (const auto& [other, count] : recorded) own[other] = std::max(own[other], count);
  }

  /// Whether the origin has waited for all that the other streams have done.
  bool is_joined() {
    for (const auto& [stream, counts] : seen) {
      const auto own = counts.find(stream);
      if (own != counts.end() && seen[origin][stream] < own->second) return false;
    }
    return true;
  }
};

}  // namespace tessera
