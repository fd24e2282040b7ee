#include "runtime/packed_model.h"

#include <fmt/format.h>

#include "base/file.h"
#include "model/packed_unit.h"
#include "runtime/load_pieces.h"
#include "runtime/read_in_weights.h"
#include "tessera/error.h"

namespace tessera {
namespace {

std::string manifest_path(const std::string& dir) {
  return dir + "/" + kPackedManifestName;
}

// Only what the planner will ask for is ever adopted; a copy with anything else was not made by
// `tessera pack`.
void check_unit(const std::string& path, const UnitSpec& unit, const PackedManifest& manifest,
                const PackedUnitFile& file) {
  const auto refuse = [&](const char* key, const std::string& expected, const std::string& found) {
    throw Error({.where = path,
                 .what = fmt::format("{}: {}", unit.name, key),
                 .expected = expected,
                 .found = found,
                 .hint = "pack it again"});
  };
  const Precision precision = stored_precision(unit.kind, manifest.precision);
  if (file.precision != precision)
    refuse("precision", std::string(precision_name(precision)),
           std::string(precision_name(file.precision)));
  if (const uint64_t bytes = layout_of(unit, precision).bytes; file.data_bytes != bytes)
    refuse("data_bytes", std::to_string(bytes), std::to_string(file.data_bytes));
}

}  // namespace

PackedModel PackedModel::open(const ModelSpec& model, const PackedManifest& manifest) {
  PackedModel packed(model.config.dir);
  const std::string path = manifest_path(packed.dir_);
  if (manifest.layout_version != kUnitLayoutVersion)
    throw Error({.where = path,
                 .what = "layout_version",
                 .expected = std::to_string(kUnitLayoutVersion),
                 .found = std::to_string(manifest.layout_version),
                 .hint = "the kernels read weights in another order now: pack it again"});
  for (const PackedUnitFile& file : manifest.units) packed.files_.emplace(file.unit, file);
  for (const UnitSpec* unit : model.units()) {
    const auto file = packed.files_.find(unit->name);
    if (file == packed.files_.end())
      throw Error({.where = path,
                   .what = "units",
                   .expected = unit->name,
                   .found = "none",
                   .hint = "is config.json from the same model?"});
    check_unit(path, *unit, manifest, file->second);
    check_packed_file(packed.path_of(file->second), *unit, file->second, manifest.fingerprint);
  }
  return packed;
}

DeviceBuffer PackedModel::adopt(const UnitSpec& unit, Precision precision, Device& device) const {
  const PackedUnitFile& file = files_.at(unit.name);
  const std::string path = path_of(file);
  if (precision != file.precision)
    throw Error({.where = path,
                 .what = "precision",
                 .expected = fmt::format("{}, as it is stored", precision_name(file.precision)),
                 .found = fmt::format("{} in the plan", precision_name(precision))});
  MappedFile mapped = MappedFile::open(path);
  if (mapped.bytes().size() != file.file_bytes())
    throw Error({.where = path,
                 .what = "size",
                 .expected = fmt::format("{} bytes", file.file_bytes()),
                 .found = fmt::format("{} bytes", mapped.bytes().size()),
                 .hint = "did something write to the file?"});
  if (device.info().kind == DeviceKind::kCuda)
    return device.allocate(file.data_bytes, MemoryKind::kWeights, unit.name);
  return device.adopt(std::move(mapped), file.data_offset, file.data_bytes, MemoryKind::kWeights,
                      unit.name);
}

LoadResult PackedModel::load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                             const std::function<void(const LoadProgress&)>& progress,
                             const CancelFlag* cancel) const {
  std::vector<MappedWeights> mapped;
  LoadPlan plan;
  const uint64_t piece_bytes = piece_bytes_for(targets);
  for (const LoadTarget& target : targets) {
    if (target.data == nullptr) continue;
    const PackedUnitFile& file = files_.at(target.unit->name);
    if (target.device->info().kind == DeviceKind::kCuda) {
      add_packed_unit(plan, target, path_of(file), file.data_offset, piece_bytes);
    } else {
      mapped.push_back({.file = path_of(file),
                        .bytes = {static_cast<const std::byte*>(target.data), file.data_bytes}});
    }
  }
  // What is mapped first, then what is copied: the two are counted as one load.
  uint64_t mapped_bytes = 0;
  for (const MappedWeights& weights : mapped) mapped_bytes += weights.bytes.size();
  const uint64_t total_bytes = mapped_bytes + plan.total_bytes;
  const auto part = [&](uint64_t before_bytes, double before_s) {
    return [&, before_bytes, before_s](const LoadProgress& at) {
      if (progress)
        progress({.done_bytes = before_bytes + at.done_bytes,
                  .total_bytes = total_bytes,
                  .elapsed_s = before_s + at.elapsed_s});
    };
  };
  const LoadResult first = read_in_weights(mapped, options.readers, part(0, 0), cancel);
  const LoadResult second = load_pieces(plan, options, part(mapped_bytes, first.seconds), cancel);
  return {.bytes_read = total_bytes,
          .staging_bytes = second.staging_bytes,
          .seconds = first.seconds + second.seconds};
}

DeviceBuffer weights_memory(const UnitSpec& unit, Precision precision, Device& device,
                            const PackedModel* packed) {
  if (packed != nullptr) return packed->adopt(unit, precision, device);
  return device.allocate(layout_of(unit, precision).bytes, MemoryKind::kWeights, unit.name);
}

EngineOptions with_stored_precision(EngineOptions options, const std::string& dir) {
  const std::optional<PackedManifest> manifest = find_packed_manifest(dir);
  if (!manifest) return options;
  const std::string stored(precision_name(manifest->precision));
  if (options.precision != "auto" && options.precision != stored)
    throw Error({.where = manifest_path(dir),
                 .what = "precision",
                 .expected = fmt::format("{} or auto: this copy is packed in {}", stored, stored),
                 .found = "--precision " + options.precision,
                 .hint = fmt::format("tessera pack --precision {} on the original ({}) makes "
                                     "another copy",
                                     options.precision, manifest->source)});
  options.precision = stored;
  return options;
}

}  // namespace tessera
