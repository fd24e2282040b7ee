#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tessera/cancel.h"

namespace tessera {

/// Tells how far some files are, about ten times a second. One thread at a time.
class ByteProgress {
 public:
  using Tell = std::function<void(uint64_t done_bytes, uint64_t total_bytes, double elapsed_s)>;
  ByteProgress(Tell tell, uint64_t total_bytes);

  void report(uint64_t bytes);  ///< of the file at hand, from its start
  void finish(uint64_t bytes);  ///< the file at hand, whole; the next one begins
  double elapsed_s() const;

 private:
  const Tell tell_;  // may be empty
  const uint64_t total_bytes_;
  const double start_s_;
  uint64_t done_bytes_ = 0;
  double told_s_ = 0;
};

/// Of the file's bytes from `offset` on; they are reported on the way.
std::string checksum_of_file(const std::string& path, uint64_t offset, ByteProgress& progress,
                             const CancelFlag* cancel);

}  // namespace tessera
