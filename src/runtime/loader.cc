#include "runtime/loader.h"

#include "runtime/load_pieces.h"

namespace tessera {

LoadResult load_weights(const std::vector<LoadTarget>& targets, const TensorStore& tensors,
                        const LoadOptions& options,
                        const std::function<void(const LoadProgress&)>& progress,
                        const CancelFlag* cancel) {
  return load_pieces(plan_load(targets, tensors, piece_bytes_for(targets)), options, progress,
                     cancel);
}

}  // namespace tessera
