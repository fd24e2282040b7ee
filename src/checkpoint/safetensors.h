#pragma once

#include <string>
#include <string_view>

#include "checkpoint/byte_source.h"
#include "checkpoint/tensor_entry.h"

namespace tessera {

/// The tensors of one .safetensors file: u64 length, JSON header, data. Reads the header only.
///
/// Stricter than the format's own readers where they are lenient: the header starts with "{", no
/// name occurs twice, an entry has exactly dtype, shape and data_offsets, and the tensors tile the
/// data with no hole and no overlap. Throws Error otherwise; docs/formats.md lists every rule.
/// Source: github.com/huggingface/safetensors, README and safetensors/src/tensor.rs.
FileTensors read_safetensors(const std::string& path);
FileTensors read_safetensors(const ByteSource& source);

std::string_view safetensors_dtype_name(DType dtype);  ///< "BF16"

/// A longer header is refused. The format allows 100 MB; 70,000 tensors need about 10 MiB, and this
/// bounds what a hostile file can make the reader hold.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = uint64_t{32} << 20;

}  // namespace tessera
