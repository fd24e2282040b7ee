#include "tests/support/allocation_limit.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace tessera {
namespace {

std::atomic<size_t> limit{SIZE_MAX};

void* allocate(size_t bytes, size_t alignment) {
  if (bytes >= limit) throw std::bad_alloc();
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

}  // namespace tessera

// All forms, because AddressSanitizer has its own of each that is not here, and tells them apart.
void* operator new(size_t bytes) {
  return tessera::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new[](size_t bytes) {
  return tessera::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return bytes >= tessera::limit ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
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
