#pragma once

#include <string>

#include "checkpoint/byte_source.h"
#include "checkpoint/tensor_entry.h"

namespace tessera {

/// The tensors of one file of torch.save (pytorch_model.bin). Reads the zip directory and the
/// pickle; executes nothing of it, see unpickler.h.
///
/// Tensors may share a storage, or use a part of one. Throws Error when the file is not such an
/// archive, when a tensor reaches outside its storage or a storage has another length than the
/// pickle says, and when a tensor's strides are not those of a contiguous row-major tensor.
FileTensors read_torch_bin(const std::string& path);
FileTensors read_torch_bin(const ByteSource& source);

}  // namespace tessera
