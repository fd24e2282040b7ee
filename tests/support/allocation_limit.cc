#include "tests/support/allocation_limit.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace tessera {
namespace {

std::atomic<size_t> limit{SIZE_MAX};
std::atomic<int64_t> before_failure{-1};  // below 0: none is to come
std::atomic<bool> failed{false};

bool fails(size_t bytes) {
  if (bytes >= limit) return true;
  if (before_failure.load(std::memory_order_relaxed) < 0) return false;
  if (before_failure.fetch_sub(1) != 0) return false;
  failed = true;
  return true;
}

void* allocate(size_t bytes, size_t alignment) {
  if (fails(bytes)) throw std::bad_alloc();
  // aligned_alloc wants whole multiples.
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

}  // namespace

AllocationLimit::AllocationLimit(size_t bytes) {
  limit = bytes;
}

AllocationLimit::~AllocationLimit() {
  limit = SIZE_MAX;
}

AllocationFailure::AllocationFailure(int64_t before) {
  failed = false;
  before_failure = before;
}

AllocationFailure::~AllocationFailure() {
  before_failure = -1;
}

bool AllocationFailure::happened() {
  return failed;
}

}  // namespace tessera

// All forms, because AddressSanitizer has its own of each that is not here, and tells them apart.
void* operator new(size_t bytes) {
  return tessera::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new[](size_t bytes) {
  return tessera::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return tessera::fails(bytes) ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new[](size_t bytes, const std::nothrow_t& none) noexcept {
  return operator new(bytes, none);
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  return tessera::allocate(bytes, static_cast<size_t>(alignment));
}
void* operator new[](size_t bytes, std::align_val_t alignment) {
  return tessera::allocate(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* data) noexcept {
  std::free(data);
}
void operator delete[](void* data) noexcept {
  std::free(data);
}
void operator delete(void* data, size_t) noexcept {
  std::free(data);
}
void operator delete[](void* data, size_t) noexcept {
  std::free(data);
}
void operator delete(void* data, std::align_val_t) noexcept {
  std::free(data);
}
void operator delete[](void* data, std::align_val_t) noexcept {
  std::free(data);
}
void operator delete(void* data, size_t, std::align_val_t) noexcept {
  std::free(data);
}
void operator delete[](void* data, size_t, std::align_val_t) noexcept {
  std::free(data);
}
