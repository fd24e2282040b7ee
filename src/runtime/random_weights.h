#pragma once

#include <map>
#include <optional>
#include <string>

#include "runtime/loader.h"

namespace tessera {

/// In a model's folder, in the place of its weights: {"seed": 1}.
inline constexpr const char* kRandomWeightsName = "random_weights.json";

/// Weights drawn at random, in bf16, for what needs a model's size and not its answers: they go
/// through the loader like any other, and no file holds them. The same seed and shapes give the
/// same numbers, whoever reads which part first: number i of all is a function of seed and i.
///
///   matrices and tables   uniform, of the variance 1 / inputs, so that no row grows through a
///   model vectors               norms' weights around 1, biases around 0
class RandomWeights final : public TensorStore {
 public:
  /// Nothing when the folder has no such file. Throws Error for one that is not as above.
  static std::optional<RandomWeights> open(const ModelSpec& model);

  /// load_weights from them.
  LoadResult load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                  const std::function<void(const LoadProgress&)>& progress,
                  const CancelFlag* cancel) const;

  const TensorEntry& find(const WeightSource& source) const override;
  std::unique_ptr<ByteSource> open(const std::string& file) const override;

  /// A tensor as its numbers are drawn: mean + spread * (-1 .. 1).
  struct Range {
    uint64_t end_byte;
    float mean, spread;
  };

 private:
  RandomWeights(const ModelSpec& model, std::string path, uint64_t seed);

  std::string path_;
  uint64_t seed_;
  std::map<std::pair<WeightOrigin, std::string>, TensorEntry> tensors_;
  std::vector<Range> ranges_;  // in the order of their bytes
};

}  // namespace tessera
