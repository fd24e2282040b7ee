#pragma once

#include <optional>
#include <string>

#include "checkpoint/tensor_index.h"
#include "runtime/loader.h"

namespace tessera {

/// The units of the model in this folder. Throws Error when there is none, or not all of it.
ModelSpec read_model(const std::string& dir);

/// A model's weights as they were published: tensors in safetensors or pickled shards. Nothing of
/// their data has been read.
class CheckpointWeights final : public TensorStore {
 public:
  static CheckpointWeights open(const ModelConfig& config);

  /// load_weights from these tensors.
  LoadResult load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                  const std::function<void(const LoadProgress&)>& progress,
                  const CancelFlag* cancel) const;

  /// A checksum that tells this checkpoint from others, whatever its folder and file names: of the
  /// configuration, of name, type and shape of each tensor that the model uses, and of 4 KiB from
  /// the middle of each. 16 hexadecimal digits.
  std::string fingerprint(const ModelSpec& model) const;

  const TensorEntry& find(const WeightSource& source) const override;
  std::unique_ptr<ByteSource> open(const std::string& file) const override;

 private:
  explicit CheckpointWeights(TensorIndex main) : main_(std::move(main)) {}

  TensorIndex main_;
  std::optional<TensorIndex> vision_;  // empty: the tower is in the main shards
};

}  // namespace tessera
