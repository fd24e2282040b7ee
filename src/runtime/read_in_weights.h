#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/loader.h"

namespace tessera {

/// Weights that lie in memory as the file has them.
struct MappedWeights {
  std::string file;
  std::span<const std::byte> bytes;  ///< of a MappedFile
};

/// Has the system bring all of them into memory and map their pages, from several threads; takes
/// no memory. Without it, each first touch of a page in the first step would wait for its fault.
/// `progress` and errors as load_weights.
LoadResult read_in_weights(const std::vector<MappedWeights>& weights, int readers,
                           const std::function<void(const LoadProgress&)>& progress,
                           const CancelFlag* cancel);

}  // namespace tessera
