#include "runtime/byte_progress.h"

#include <algorithm>
#include <vector>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"

namespace tessera {
namespace {

constexpr uint64_t kCheckedBytes = 8 * kMiB;
constexpr double kTellInterval_s = 0.1;

}  // namespace

ByteProgress::ByteProgress(Tell tell, uint64_t total_bytes)
    : tell_(std::move(tell)), total_bytes_(total_bytes), start_s_(now_s()) {}

void ByteProgress::report(uint64_t bytes) {
  const double elapsed = elapsed_s();
  const uint64_t done = done_bytes_ + bytes;
  if (!tell_ || (elapsed - told_s_ < kTellInterval_s && done < total_bytes_)) return;
  told_s_ = elapsed;
  tell_(done, total_bytes_, elapsed);
}

void ByteProgress::finish(uint64_t bytes) {
  done_bytes_ += bytes;
  report(0);
}

double ByteProgress::elapsed_s() const {
  return now_s() - start_s_;
}

std::string checksum_of_file(const std::string& path, uint64_t offset, ByteProgress& progress,
                             const CancelFlag* cancel) {
  const File file = File::open(path);
  Checksum checksum;
  std::vector<std::byte> buffer(std::min(kCheckedBytes, file.size()));
  for (uint64_t at = offset; at < file.size();) {
    if (cancel != nullptr) cancel->check();
    const std::span<std::byte> piece(buffer.data(), std::min(kCheckedBytes, file.size() - at));
    file.read_at(at, piece);
    checksum.add(piece);
    at += piece.size();
    progress.report(at - offset);
  }
  return checksum.text();
}

}  // namespace tessera
