#include "runtime/model_weights.h"

#include "base/file.h"
#include "model/packed_unit.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void refuse_without_manifest(const ModelSpec& model) {
  const std::string& dir = model.config.dir;
  if (file_exists(dir + "/" + packed_file_name(model.embedding)))
    throw Error({.where = dir + "/" + kPackedManifestName,
                 .expected = "the manifest of this packed copy",
                 .found = "no such file",
                 .hint = "is the copy complete? if so, pack it again"});
}

}  // namespace

ModelWeights ModelWeights::open(const ModelSpec& model) {
  if (const std::optional<PackedManifest> manifest = find_packed_manifest(model.config.dir))
    return ModelWeights(PackedModel::open(model, *manifest));
  refuse_without_manifest(model);
  if (std::optional<RandomWeights> random = RandomWeights::open(model))
    return ModelWeights(*std::move(random));
  return ModelWeights(CheckpointWeights::open(model.config));
}

LoadResult ModelWeights::load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                              const std::function<void(const LoadProgress&)>& progress,
                              const CancelFlag* cancel) const {
  return std::visit(
      [&](const auto& weights) { return weights.load(targets, options, progress, cancel); },
      weights_);
}

}  // namespace tessera
