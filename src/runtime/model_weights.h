#pragma once

#include <variant>

#include "runtime/checkpoint_weights.h"
#include "runtime/packed_model.h"
#include "runtime/random_weights.h"

namespace tessera {

/// Where a model's weights come from: its checkpoint, a packed copy of it, or nowhere.
class ModelWeights {
 public:
  /// What the model's folder has. Throws Error for a copy that was not packed to its end.
  static ModelWeights open(const ModelSpec& model);

  /// Null: they are no packed copy.
  const PackedModel* packed() const { return std::get_if<PackedModel>(&weights_); }

  /// Fills the targets, which lie in weights_memory.
  LoadResult load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                  const std::function<void(const LoadProgress&)>& progress,
                  const CancelFlag* cancel) const;

 private:
  using Either = std::variant<CheckpointWeights, PackedModel, RandomWeights>;
  explicit ModelWeights(Either weights) : weights_(std::move(weights)) {}

  Either weights_;
};

}  // namespace tessera
