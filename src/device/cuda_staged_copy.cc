#include "device/cuda_staged_copy.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr const char* kWhat = "a copy to another card";

void wait_for(const CudaCalls& calls, cudaStream_t stream, const CudaEventHandle& event) {
  calls.check(cudaStreamWaitEvent(stream, event.get(), 0), kWhat);
}

void record(const CudaCalls& calls, const CudaEventHandle& event, cudaStream_t stream) {
  calls.check(cudaEventRecord(event.get(), stream), kWhat);
}

}  // namespace

StagedCopy::StagedCopy(const CudaCalls& own, const CudaCalls& other, bool out)
    : own_(own), other_(other), out_(out) {
  const CudaCalls& reader = out ? own : other;
  const CudaCalls& written = out ? other : own;
  const auto event = [](const CudaCalls& calls) {
    calls.enter();
    return std::make_unique<CudaEventHandle>(calls, false);
  };
  for (Piece& piece : pieces_) {
    piece.filled = event(reader);
    piece.emptied = event(written);
  }
  begin_ = event(own);
  end_ = event(other);
  far_stream_ = std::make_unique<CudaStreamHandle>(other);
  own.enter();
  pinned_ = std::make_unique<PinnedMemory>(own, kPieces * kPieceBytes);
}

void StagedCopy::copy(cudaStream_t stream, void* to, const void* from, uint64_t bytes) {
  const CudaCalls& reader = out_ ? own_ : other_;
  const CudaCalls& written = out_ ? other_ : own_;
  const cudaStream_t far_stream = far_stream_->get();
  const cudaStream_t read_stream = out_ ? stream : far_stream;
  const cudaStream_t write_stream = out_ ? far_stream : stream;
  // Both ends are free to be used when the stream gets here; so are the pieces, for it waited for
  // the end of the last copy.
  record(own_, *begin_, stream);
  other_.enter();
  wait_for(other_, far_stream, *begin_);
  for (uint64_t offset = 0, n = 0; offset < bytes; offset += kPieceBytes, ++n) {
    const uint64_t count = std::min(kPieceBytes, bytes - offset);
    const Piece& piece = pieces_[n % kPieces];
    std::byte* pinned = pinned_->data() + n % kPieces * kPieceBytes;
    reader.enter();
    if (n >= kPieces) wait_for(reader, read_stream, *piece.emptied);
    reader.check(cudaMemcpyAsync(pinned, static_cast<const std::byte*>(from) + offset, count,
                                 cudaMemcpyDeviceToHost, read_stream),
                 kWhat);
    record(reader, *piece.filled, read_stream);
    written.enter();
    wait_for(written, write_stream, *piece.filled);
    written.check(cudaMemcpyAsync(static_cast<std::byte*>(to) + offset, pinned, count,
                                  cudaMemcpyHostToDevice, write_stream),
                  kWhat);
    record(written, *piece.emptied, write_stream);
  }
  other_.enter();
  record(other_, *end_, far_stream);
  own_.enter();
  wait_for(own_, stream, *end_);
}

}  // namespace tessera
