#pragma once

#include <cstdint>
#include <span>

#include "base/temp_file.h"

namespace tessera {

/// Rows of logits on disk instead of in memory: a thousand tokens over a vocabulary of 64,000 are
/// 256 MB.
class LogitSpool {
 public:
  LogitSpool(int64_t rows, int64_t vocab)
      : vocab_(vocab), file_(static_cast<uint64_t>(rows * vocab) * sizeof(float)) {}

  // Whole rows from `first_row` on.
  void write(int64_t first_row, std::span<const float> logits) {
    file_.write_at(offset(first_row), std::as_bytes(logits));
  }
  void read(int64_t first_row, std::span<float> logits) const {
    file_.read_at(offset(first_row), std::as_writable_bytes(logits));
  }

 private:
  uint64_t offset(int64_t row) const { return static_cast<uint64_t>(row * vocab_) * sizeof(float); }

  int64_t vocab_;
  TempFile file_;
};

}  // namespace tessera
