#pragma once

#include <functional>

#include "runtime/load_plan.h"
#include "runtime/loader.h"

namespace tessera {

/// Reads all pieces of a plan, from several threads, and puts each where it goes: packed by the
/// reader itself where the host can write, else by the device (DeviceFeed). As load_weights does,
/// of which this is the second half.
LoadResult load_pieces(const LoadPlan& plan, const LoadOptions& options,
                       const std::function<void(const LoadProgress&)>& progress,
                       const CancelFlag* cancel);

/// How large the pieces should be for these targets.
uint64_t piece_bytes_for(const std::vector<LoadTarget>& targets);

}  // namespace tessera
