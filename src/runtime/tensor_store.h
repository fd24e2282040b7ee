#pragma once

#include <memory>
#include <string>

#include "checkpoint/byte_source.h"
#include "checkpoint/tensor_entry.h"
#include "model/unit.h"

namespace tessera {

/// Where the tensors of a model's units are found, and what they are read from. Any thread may ask.
class TensorStore {
 public:
  virtual ~TensorStore() = default;

  /// Throws Error for a tensor that is missing, has another shape, or a type that is no weight's.
  virtual const TensorEntry& find(const WeightSource& source) const = 0;

  /// What TensorEntry::file names. Throws Error when it cannot be opened.
  virtual std::unique_ptr<ByteSource> open(const std::string& file) const = 0;
};

}  // namespace tessera
