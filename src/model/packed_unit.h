#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoint/packed_manifest.h"
#include "checkpoint/tensor_entry.h"
#include "model/unit.h"

namespace tessera {

/// A unit as a .safetensors file of its own: the bytes of layout_of, named so that any reader of
/// the format can list them.

std::string packed_file_name(const UnitSpec& unit);  ///< "layer-017.safetensors"

/// The tensors of the file, in the order of the data and without holes; offsets from the start of
/// the data. Dense weights have their own type and shape, panels of floats the shape of
/// PackedMatrix, panels of codes are u8 [panels, panel_bytes]; what fills a weight up to the next
/// one is "NAME.padding".
std::vector<TensorEntry> packed_tensors(const UnitSpec& unit, Precision precision);

/// The header's __metadata__: versions, unit, precision, the source's fingerprint and the data's
/// checksum.
std::map<std::string, std::string> packed_metadata(const PackedUnitFile& file,
                                                   const std::string& fingerprint);

/// All of the file that stands before the data; file.data_offset bytes.
std::string packed_front(const UnitSpec& unit, const PackedUnitFile& file,
                         const std::string& fingerprint);

/// Holds the header of the file at `path` against what this unit's must be: sizes, metadata, and
/// name, type, shape and place of each tensor. Throws Error that names file and key for the first
/// difference. Reads no data.
void check_packed_file(const std::string& path, const UnitSpec& unit, const PackedUnitFile& file,
                       const std::string& fingerprint);

}  // namespace tessera
