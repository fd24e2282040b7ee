#pragma once

#include <array>
#include <cstdint>

namespace tessera {

/// One cp.async: 16 bytes from global to shared memory.
struct AsyncCopy {
  void* to;
  const void* from;
};

/// The copies that a thread has started and not yet waited for, oldest first, in groups. Fixed
/// room: nothing may be allocated while the threads of a block run (ThreadSanitizer sees it).
class AsyncCopies {
 public:
  static constexpr uint32_t kMost = 512;

  void clear() { first_ = end_ = first_group_ = end_group_ = 0; }

  /// False: no room.
  bool start(AsyncCopy copy) {
    if (end_ - first_ == kMost) return false;
    copies_[end_++ % kMost] = copy;
    return true;
  }

  /// What was started since the last commit becomes a group, which may be empty. False: no room.
  bool commit() {
    if (end_group_ - first_group_ == kMost) return false;
    group_ends_[end_group_++ % kMost] = end_;
    return true;
  }

  /// The next copy that has to land until at most `groups` are under way; `to` is null: no more.
  AsyncCopy land(uint32_t groups) {
    while (end_group_ - first_group_ > groups) {
      if (first_ != group_ends_[first_group_ % kMost]) return copies_[first_++ % kMost];
      ++first_group_;
    }
    return {nullptr, nullptr};
  }

 private:
  std::array<AsyncCopy, kMost> copies_;
  std::array<uint32_t, kMost> group_ends_;
  uint32_t first_ = 0, end_ = 0, first_group_ = 0, end_group_ = 0;
};

}  // namespace tessera
