#include "cuda_emulator/shared_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "cuda_emulator/sanitizers.h"
#include "cuda_emulator/thread_block.h"

namespace tessera {
namespace {

constexpr int kNanByte = 0xff;
constexpr size_t kMostObjects = 64;

}  // namespace

SharedMemory& shared_memory() {
  static auto* const memory = new SharedMemory;
  return *memory;
}

void SharedMemory::Free::operator()(void* data) const {
  std::free(data);
}

void* SharedMemory::make(size_t bytes, size_t alignment) {
  void* data = nullptr;
  if (posix_memalign(&data, std::max<size_t>(alignment, 16), bytes) != 0) throw std::bad_alloc();
  std::memset(data, kNanByte, bytes);
  owned_.emplace_back(data);
  return data;
}

void SharedMemory::start_block(size_t dynamic_bytes) {
  owned_.clear();
  objects_.clear();
  objects_.reserve(kMostObjects);
  static_bytes_ = 0;
  dynamic_ = dynamic_bytes == 0 ? nullptr : make(dynamic_bytes, 16);
}

void SharedMemory::clear() {
  owned_.clear();
  objects_.clear();
}

void* SharedMemory::object(const void* key, size_t bytes, size_t alignment) {
  ThreadBlock& block = thread_block();
  const auto found = std::find_if(objects_.begin(), objects_.end(),
                                  [&](const Object& object) { return object.key == key; });
  if (found != objects_.end()) {
    block.see_host_work();
    return found->data;
  }
  static_bytes_ += bytes;
  if (static_bytes_ > kStaticLimit || objects_.size() == kMostObjects)
    block.fail("more than 48 KiB of shared memory that is not dynamic", SourcePlace::current());
  void* data = nullptr;
  block.run_as_host([&] { data = make(bytes, alignment); });
  objects_.push_back({key, data, bytes});
  return data;
}

}  // namespace tessera
