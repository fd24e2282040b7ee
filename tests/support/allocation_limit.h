#pragma once

#include <cstddef>
#include <cstdint>

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

/// While one lives, the operator new that comes after `before` others, on whichever thread, throws
/// std::bad_alloc: memory that was short for a moment. For the same programs.
class AllocationFailure {
 public:
  explicit AllocationFailure(int64_t before);
  ~AllocationFailure();
  AllocationFailure(const AllocationFailure&) = delete;
  AllocationFailure& operator=(const AllocationFailure&) = delete;

  static bool happened();
};

}  // namespace tessera
