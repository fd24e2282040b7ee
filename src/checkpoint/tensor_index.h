#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_entry.h"

namespace tessera {

/// All tensors of one checkpoint folder. Nothing of their data has been read. Immutable once open:
/// any number of threads may ask.
class TensorIndex {
 public:
  /// Takes the first of these that the folder has, so safetensors win over pickles:
  /// model.safetensors, model.safetensors.index.json, the only *.safetensors.index.json,
  /// pytorch_model.bin, pytorch_model.bin.index.json. Reads the headers of every shard named.
  /// Throws Error when there is none, when a shard is missing or malformed, when an index names a
  /// file outside the folder, and when a tensor is not in the file that its index names.
  static TensorIndex open(const std::string& dir);

  /// Null when there is no such tensor, or one of a type that Tessera does not read.
  const TensorEntry* find(std::string_view name) const;

  /// Throws Error that names the folder's index and the tensor.
  const TensorEntry& at(std::string_view name) const;

  /// at(), for a weight: f32, bf16 or f16, of exactly this shape. Throws Error otherwise.
  const TensorEntry& expect(std::string_view name, std::span<const int64_t> shape) const;

  /// Sorted by file, then offset: the order in which reading is quickest.
  std::span<const TensorEntry> entries() const { return entries_; }

  /// The file that lists the tensors: an index, or the only weight file.
  const std::string& path() const { return path_; }

 private:
  TensorIndex(std::string path, FileTensors tensors);

  std::string path_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, size_t, std::less<>> by_name_;
  std::map<std::string, UnreadableTensor, std::less<>> unreadable_;
};

}  // namespace tessera
