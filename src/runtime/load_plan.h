#pragma once

#include <map>
#include <memory>
#include <vector>

#include "runtime/loader.h"

namespace tessera {

/// Where some rows of a tensor go.
struct LoadDestination {
  WeightForm form;
  Precision precision;  ///< of a matrix
  DType dtype;          ///< of anything else
  void* data;           ///< of the whole weight
  Device* device;
  int64_t rows, cols;  ///< of the whole weight
  int64_t first_row;   ///< of the tensor's first row in it
};

/// Consecutive rows of one tensor: what one read brings.
struct LoadPiece {
  const ByteSource* from;
  uint64_t offset, bytes;
  DType dtype;              ///< in the file
  int64_t first_row, rows;  ///< of the tensor
  std::vector<LoadDestination> destinations;
};

/// All reads of a load, in the order of the files, and the open files that they need.
struct LoadPlan {
  std::vector<LoadPiece> pieces;
  std::map<std::string, std::unique_ptr<ByteSource>> files;
  uint64_t total_bytes = 0, largest_piece_bytes = 0;
};

/// Finds every tensor of the targets and cuts it into pieces of about `piece_bytes` (at least one
/// panel of rows each). Throws the Error of a missing or wrong tensor; reads nothing.
LoadPlan plan_load(const std::vector<LoadTarget>& targets, const TensorStore& tensors,
                   uint64_t piece_bytes);

}  // namespace tessera
