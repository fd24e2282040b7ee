#pragma once

#include <string_view>

#include "tessera/cancel.h"

namespace tessera {

/// What the user asked for, on its way to stdout. Unbuffered: each write is seen at once. One
/// thread.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}

  /// False once there is no use in going on: nobody reads any more (`| head`), the disk is full, or
  /// `cancel` was set while the reader stalled. All later writes are dropped then.
  bool write(std::string_view text, const CancelFlag* cancel = nullptr);

  /// Throws the Error of a write that failed. A reader that left is none: that is its right.
  void check() const;

  /// Whether all that was written arrived.
  bool intact() const { return error_ == 0; }

 private:
  int fd_;
  int error_ = 0;  // an errno
};

}  // namespace tessera
