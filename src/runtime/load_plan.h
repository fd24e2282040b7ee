#pragma once

#include <map>
#include <memory>
#include <vector>

#include "runtime/loader.h"

namespace tessera {

/// Where some of a tensor goes.
struct LoadDestination {
  WeightForm form;
  Precision precision;  ///< of a matrix
  DType dtype;          ///< of anything else
  void* data;           ///< of the whole weight
  Device* device;
  int64_t rows, cols;  ///< of the whole weight
  int64_t first_row;   ///< of the tensor's first row in it
};

/// What one read brings.
enum class PieceForm : uint8_t {
  kRows,    ///< rows of a tensor of a checkpoint, to be packed
  kBytes,   ///< of a packed copy: bytes as the weight needs them; counted in bytes from its start
  kPanels,  ///< of a packed copy: panels of floats, for a device that has them row by row
};

/// Consecutive rows of one tensor, or as much of a packed weight.
struct LoadPiece {
  const ByteSource* from;
  uint64_t offset, bytes;
  DType dtype;              ///< in the file
  int64_t first_row, rows;  ///< of the tensor; for the other forms, bytes or panels
  std::vector<LoadDestination> destinations;
  PieceForm form = PieceForm::kRows;
};

/// All reads of a load, in the order of the files, and the open files that they need.
struct LoadPlan {
  std::vector<LoadPiece> pieces;
  std::map<std::string, std::unique_ptr<ByteSource>> files;
  std::vector<PackedMatrix> matrices;  ///< that zeros are to be put behind before their rows
  uint64_t total_bytes = 0, largest_piece_bytes = 0;
};

/// Finds every tensor of the targets and cuts it into pieces of about `piece_bytes` (at least one
/// panel of rows each). Throws the Error of a missing or wrong tensor; reads nothing.
LoadPlan plan_load(const std::vector<LoadTarget>& targets, const TensorStore& tensors,
                   uint64_t piece_bytes);

/// Adds a unit whose bytes lie in a file as layout_of has them on CPUs, from `data_offset` on, for
/// a target whose memory the host cannot write.
void add_packed_unit(LoadPlan& plan, const LoadTarget& target, const std::string& file,
                     uint64_t data_offset, uint64_t piece_bytes);

}  // namespace tessera
