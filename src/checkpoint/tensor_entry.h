#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace tessera {

/// Where one tensor lies on disk; nothing of its data has been read. Row-major and contiguous:
/// bytes = product(shape) * dtype_bytes(dtype), and [offset, offset + bytes) was inside the file
/// when it was opened. `offset` has no guaranteed alignment. Several entries may share bytes.
struct TensorEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// A tensor of a type that Tessera computes nothing with (f64, bool, fp8). It is noted rather than
/// refused, since old exports carry such buffers unused; whoever asks for it gets a clear answer.
struct UnreadableTensor {
  std::string name;
  std::string file;
  std::string dtype;  ///< as its format spells it: "F8_E4M3", "DoubleStorage"
};

/// What one file holds, in the order of the data.
struct FileTensors {
  std::vector<TensorEntry> entries;
  std::vector<UnreadableTensor> unreadable = {};
  std::map<std::string, std::string> metadata = {};  ///< of safetensors: what the writer noted
};

/// More dimensions than this are refused in every format; a picture convolution needs four.
inline constexpr size_t kMaxTensorRank = 8;

/// "bf16 [4096, 11008]"
std::string describe(DType dtype, std::span<const int64_t> shape);
std::string describe_shape(std::span<const int64_t> shape);  ///< "[4096, 11008]"

/// product(shape) * item_bytes; a scalar (rank 0) is one item. Empty when a size is negative, the
/// rank is above kMaxTensorRank, or the product does not fit 63 bits.
std::optional<uint64_t> checked_tensor_bytes(std::span<const int64_t> shape, int64_t item_bytes);

}  // namespace tessera
