#pragma once

#include <cstddef>

namespace tessera {

/// While one lives, operator new throws std::bad_alloc for `bytes` or more, on every thread: a
/// machine that has run out of memory. For test programs that link allocation_limit.cc.
class AllocationLimit {
 public:
  explicit AllocationLimit(size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
};

}  // namespace tessera
