#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/precision.h"

namespace tessera {

/// A unit's own .safetensors file in a packed copy. Its data are one run of bytes, the unit as it
/// lies in a device's memory.
struct PackedUnitFile {
  std::string unit;  ///< "layer 17"
  std::string file;  ///< plain name
  Precision precision = Precision::kBF16;
  uint64_t data_offset = 0;  ///< a multiple of kPackedAlignment
  uint64_t data_bytes = 0;   ///< up to the end of the file
  std::string checksum;      ///< of the data: XXH3, 16 hexadecimal digits

  uint64_t file_bytes() const { return data_offset + data_bytes; }
  bool operator==(const PackedUnitFile&) const = default;
};

/// Configuration or tokenizer, copied as it was.
struct PackedOtherFile {
  std::string file;  ///< a path inside the folder: "vit/NAME/config.json"
  uint64_t bytes = 0;
  std::string checksum;

  bool operator==(const PackedOtherFile&) const = default;
};

/// tessera.json: what a packed copy holds, written when all of it is there. docs/packed.md has the
/// format.
struct PackedManifest {
  int64_t layout_version = 0;              ///< kUnitLayoutVersion of the program that packed
  std::string source;                      ///< name of the model's folder, for people
  std::string fingerprint;                 ///< of the source's configuration and weights
  Precision precision = Precision::kBF16;  ///< as --precision asked
  std::vector<PackedUnitFile> units;       ///< in the order of the forward pass
  std::vector<PackedOtherFile> others;

  bool operator==(const PackedManifest&) const = default;
};

inline constexpr const char* kPackedManifestName = "tessera.json";
/// Stands in the folder until the manifest does: a manifest without files, of what is being packed.
inline constexpr const char* kPackingMarkerName = "tessera.packing.json";
inline constexpr int64_t kPackedFormatVersion = 1;
/// Where data begin in their file: on a page, so that a mapping of the file is as aligned as any
/// device's memory.
inline constexpr uint64_t kPackedAlignment = 4096;

std::string packed_manifest_text(const PackedManifest& manifest);

/// Throws Error that names `where` and the key for whatever is not as packed_manifest_text writes
/// it. No file name that is accepted leads out of the folder.
PackedManifest parse_packed_manifest(std::string_view text, const std::string& where);

/// Throws Error when the folder is a copy that was not packed to its end.
void refuse_unfinished_copy(const std::string& dir);

/// That of the folder; empty where it is no packed copy.
std::optional<PackedManifest> find_packed_manifest(const std::string& dir,
                                                   const char* name = kPackedManifestName);

}  // namespace tessera
