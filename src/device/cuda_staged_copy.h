#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <memory>

#include "device/cuda_handles.h"

namespace tessera {

/// Copies between two cards whose driver gives neither sight of the other's memory: in pieces
/// through pinned host memory, one piece on its way in while the next is on its way out. Belongs to
/// one stream, whose card is one of the two; nobody waits on the host.
class StagedCopy {
 public:
  /// `own` are the calls of the stream's device, `other` those of the device at the other end.
  /// `out`: copies go from `own` to `other`.
  /// Leaves the stream's card the current one.
  StagedCopy(const CudaCalls& own, const CudaCalls& other, bool out);

  /// In the order of `stream`, which is the owner's. The stream's card is the current one before
  /// and after.
  void copy(cudaStream_t stream, void* to, const void* from, uint64_t bytes);

 private:
  static constexpr uint64_t kPieceBytes = 1 << 20;
  static constexpr size_t kPieces = 2;
  struct Piece {
    std::unique_ptr<CudaEventHandle> filled, emptied;  // of the card that reads, that is written
  };

  const CudaCalls& own_;
  const CudaCalls& other_;
  const bool out_;
  std::array<Piece, kPieces> pieces_;
  std::unique_ptr<CudaEventHandle> begin_, end_;
  std::unique_ptr<CudaStreamHandle> far_stream_;  // on the other card
  std::unique_ptr<PinnedMemory> pinned_;          // [kPieces][kPieceBytes]
};

}  // namespace tessera
