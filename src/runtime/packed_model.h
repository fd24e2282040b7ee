#pragma once

#include <map>
#include <string>

#include "checkpoint/packed_manifest.h"
#include "runtime/loader.h"
#include "tessera/engine.h"

namespace tessera {

/// A packed copy of a model, held against the model in all but its data: versions, sizes, and each
/// file's header. Its units become device memory as they are. Immutable: any thread may ask.
class PackedModel {
 public:
  /// Throws Error that names file and key when the copy is not whole, is of another version, or
  /// does not have the model's units.
  static PackedModel open(const ModelSpec& model, const PackedManifest& manifest);

  /// The unit's weights on the device (Device::adopt), or, where they cannot stay in the file,
  /// memory for them that load() fills. Throws Error when they are stored in another precision, and
  /// when the file has changed since it was opened.
  DeviceBuffer adopt(const UnitSpec& unit, Precision precision, Device& device) const;

  /// Has the system read and map the units that were adopted, so that the first step waits for
  /// nothing, and streams the others to their devices. To be called in place of load_weights; takes
  /// the same arguments.
  LoadResult load(const std::vector<LoadTarget>& targets, const LoadOptions& options,
                  const std::function<void(const LoadProgress&)>& progress,
                  const CancelFlag* cancel) const;

  const std::string& dir() const { return dir_; }

 private:
  explicit PackedModel(std::string dir) : dir_(std::move(dir)) {}
  std::string path_of(const PackedUnitFile& file) const { return dir_ + "/" + file.file; }

  std::string dir_;
  std::map<std::string, PackedUnitFile, std::less<>> files_;  // by the unit's name
};

/// Where a unit's weights go: memory that the loader is to fill or, of a packed copy, its own.
DeviceBuffer weights_memory(const UnitSpec& unit, Precision precision, Device& device,
                            const PackedModel* packed);

/// The options for a model in `dir`: of a packed copy, with the precision that it is stored in.
/// Throws Error when another one is asked for.
EngineOptions with_stored_precision(EngineOptions options, const std::string& dir);

}  // namespace tessera
