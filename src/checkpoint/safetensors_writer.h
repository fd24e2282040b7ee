#pragma once

#include <map>
#include <span>
#include <string>

#include "checkpoint/tensor_entry.h"

namespace tessera {

/// All that stands before the data of a .safetensors file: u64 length, JSON header, and as many
/// spaces at the header's end (the format allows them) as put the data at a multiple of
/// `alignment`. The tensors lie in this order without holes; of an entry name, dtype and shape
/// count.
std::string safetensors_front(std::span<const TensorEntry> tensors,
                              const std::map<std::string, std::string>& metadata,
                              uint64_t alignment);

}  // namespace tessera
