#include "runtime/random_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "ops/convert.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxFileBytes = 4096;
constexpr float kRootThree = 1.7320508F;  // uniform in -1 .. 1 has a variance of 1 / 3
constexpr float kVectorSpread = 0.1F;
constexpr uint64_t kNumbersPerDraw = 4;

// Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": the mixing of
// SplitMix64.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

class RandomSource final : public ByteSource {
 public:
  RandomSource(const std::string& name, uint64_t seed, std::span<const RandomWeights::Range> ranges)
      : name_(name), seed_(seed), ranges_(ranges) {}

  const std::string& name() const override { return name_; }
  uint64_t size() const override { return ranges_.empty() ? 0 : ranges_.back().end_byte; }

  // Pieces are whole numbers of bf16, as the loader cuts them.
  void read_at(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const auto range =
          std::ranges::upper_bound(ranges_, offset, {}, &RandomWeights::Range::end_byte);
      const uint64_t bytes = std::min<uint64_t>(out.size(), range->end_byte - offset);
      draw(*range, offset / 2, out.first(bytes));
      offset += bytes;
      out = out.subspan(bytes);
    }
  }

 private:
  void draw(const RandomWeights::Range& range, uint64_t first, std::span<std::byte> out) const {
    const uint64_t count = out.size() / 2;
    const float spread = range.spread / 32768;
    for (uint64_t i = 0; i < count;) {
      const uint64_t bits = mixed(seed_ ^ mixed((first + i) / kNumbersPerDraw));
      for (uint64_t k = (first + i) % kNumbersPerDraw; k < kNumbersPerDraw && i < count; ++k, ++i) {
        const auto draw = static_cast<int16_t>(bits >> (16 * k));
        const uint16_t number = bf16_from_f32(range.mean + spread * static_cast<float>(draw));
        std::memcpy(out.data() + 2 * i, &number, 2);
      }
    }
  }

  const std::string& name_;
  const uint64_t seed_;
  const std::span<const RandomWeights::Range> ranges_;
};

RandomWeights::Range range_of(const WeightSource& source, uint64_t end_byte) {
  if (source.shape.size() == 1)
    return {end_byte, source.tensor.ends_with("bias") ? 0.0F : 1.0F, kVectorSpread};
  int64_t inputs = 1;
  for (size_t dim = 1; dim < source.shape.size(); ++dim) inputs *= source.shape[dim];
  return {end_byte, 0, kRootThree / std::sqrt(static_cast<float>(inputs))};
}

}  // namespace

std::optional<RandomWeights> RandomWeights::open(const ModelSpec& model) {
  const std::string path = model.config.dir + "/" + kRandomWeightsName;
  if (!file_exists(path)) return std::nullopt;
  const Json json = parse_json(read_file(path, kMaxFileBytes), path);
  const auto seed = JsonReader(json, path).integer("seed", 0, INT64_MAX);
  return RandomWeights(model, path, static_cast<uint64_t>(seed));
}

RandomWeights::RandomWeights(const ModelSpec& model, std::string path, uint64_t seed)
    : path_(std::move(path)), seed_(seed) {
  uint64_t offset = 0;
  for (const UnitSpec* unit : model.units())
    for (const WeightSpec& weight : unit->weights)
      for (const WeightSource& source : weight.sources) {
        const auto bytes = checked_tensor_bytes(source.shape, 2);
        if (!bytes)
          throw Error({.where = path_,
                       .what = source.tensor,
                       .expected = "a tensor that can be",
                       .found = describe_shape(source.shape)});
        const auto [entry, added] = tensors_.try_emplace({source.origin, source.tensor});
        if (!added) continue;  // tied embeddings
        entry->second = {.name = source.tensor,
                         .dtype = DType::kBF16,
                         .shape = source.shape,
                         .file = path_,
                         .offset = offset,
                         .bytes = *bytes};
        offset += *bytes;
        ranges_.push_back(range_of(source, offset));
      }
}

LoadResult RandomWeights::load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                               const std::function<void(const LoadProgress&)>& progress,
                               const CancelFlag* cancel) const {
  return load_weights(targets, *this, options, progress, cancel);
}

const TensorEntry& RandomWeights::find(const WeightSource& source) const {
  return tensors_.at({source.origin, source.tensor});
}

std::unique_ptr<ByteSource> RandomWeights::open(const std::string&) const {
  return std::make_unique<RandomSource>(path_, seed_, ranges_);
}

}  // namespace tessera
