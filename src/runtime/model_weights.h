#pragma once

#include <variant>

#include "runtime/checkpoint_weights.h"
#include "runtime/packed_model.h"

namespace tessera {

/// Where a model's weights come from: its checkpoint, or a packed copy of it.
class ModelWeights {
 public:
  /// What the model's folder has. Throws Error for a copy that was not packed to its end.
  static ModelWeights open(const ModelSpec& model);

  /// Null: a checkpoint.
  const PackedModel* packed() const { return std::get_if<PackedModel>(&weights_); }

  /// Fills the targets, which lie in weights_memory.
  LoadResult load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                  const std::function<void(const LoadProgress&)>& progress,
                  const CancelFlag* cancel) const;

 private:
  using Either = std::variant<CheckpointWeights, PackedModel>;
  explicit ModelWeights(Either weights) : weights_(std::move(weights)) {}

  Either weights_;
};

}  // namespace tessera
