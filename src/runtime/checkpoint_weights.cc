#include "runtime/checkpoint_weights.h"

#include <fmt/format.h>

#include <map>

#include "base/checksum.h"
#include "base/file.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr const char* kVisionPrefix = "model.vision_tower.vision_tower.";
constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 20;
constexpr uint64_t kSampleBytes = 4096;

// The tower's own folder where it has weights (as the reference reads them), else none: then the
// copies in the main shards count.
std::optional<TensorIndex> open_vision_tensors(const ModelConfig& config) {
  if (!config.vision) return std::nullopt;
  const std::string& folder = config.vision->folder;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                           "pytorch_model.bin.index.json"})
    if (file_exists(folder + "/" + name)) return TensorIndex::open(folder);
  return std::nullopt;
}

void add_sample(const File& file, const TensorEntry& entry, Checksum& checksum) {
  std::array<std::byte, kSampleBytes> sample;
  const uint64_t bytes = std::min(entry.bytes, kSampleBytes);
  const std::span<std::byte> out(sample.data(), bytes);
  file.read_at(entry.offset + (entry.bytes - bytes) / 2, out);
  checksum.add(out);
}

}  // namespace

ModelSpec read_model(const std::string& dir) {
  if (!directory_exists(dir))
    throw Error({.where = dir,
                 .expected = "a model folder",
                 .found = file_exists(dir) ? "a file" : "nothing there"});
  const ModelConfig config = read_model_config(dir);
  if (config.vision_assumed)
    throw Error({.where = dir,
                 .what = "vision tower",
                 .expected = "the vit/ folder that config.json names",
                 .found = "none",
                 .hint = "was the download complete?"});
  return describe_model(config);
}

CheckpointWeights CheckpointWeights::open(const ModelConfig& config) {
  CheckpointWeights weights(TensorIndex::open(config.dir));
  weights.vision_ = open_vision_tensors(config);
  return weights;
}

LoadResult CheckpointWeights::load(const std::vector<LoadTarget>& targets,
                                   const LoadOptions& options,
                                   const std::function<void(const LoadProgress&)>& progress,
                                   const CancelFlag* cancel) const {
  return load_weights(targets, *this, options, progress, cancel);
}

const TensorEntry& CheckpointWeights::find(const WeightSource& source) const {
  if (source.origin == WeightOrigin::kMain) return main_.expect(source.tensor, source.shape);
  return vision_ ? vision_->expect(source.tensor, source.shape)
                 : main_.expect(kVisionPrefix + source.tensor, source.shape);
}

std::unique_ptr<ByteSource> CheckpointWeights::open(const std::string& file) const {
  return std::make_unique<FileSource>(file);
}

std::string CheckpointWeights::fingerprint(const ModelSpec& model) const {
  Checksum checksum;
  checksum.add(read_file(model.config.dir + "/config.json", kMaxConfigBytes));
  std::map<std::string, File> files;
  for (const UnitSpec* unit : model.units())
    for (const WeightSpec& weight : unit->weights)
      for (const WeightSource& source : weight.sources) {
        const TensorEntry& entry = find(source);
        checksum.add(fmt::format("{} {}\n", source.tensor, describe(entry.dtype, entry.shape)));
        auto file = files.find(entry.file);
        if (file == files.end()) file = files.emplace(entry.file, File::open(entry.file)).first;
        add_sample(file->second, entry, checksum);
      }
  return checksum.text();
}

}  // namespace tessera
