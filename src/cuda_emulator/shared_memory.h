#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace tessera {

/// The shared memory of the block that runs now: new for every block, filled with NaN, each object
/// of it an allocation of its own, so that AddressSanitizer sees its ends.
class SharedMemory {
 public:
  static constexpr size_t kStaticLimit = 48 << 10;  ///< of a block's objects together

  /// Before the block's threads: the previous block's memory goes, and `dynamic_bytes` are there.
  void start_block(size_t dynamic_bytes);
  /// After the last block.
  void clear();

  void* dynamic_bytes() const { return dynamic_; }

  /// The object that `key` stands for, made on first use.
  void* object(const void* key, size_t bytes, size_t alignment);

 private:
  struct Object {
    const void* key;
    void* data;
    size_t bytes;
  };
  struct Free {
    void operator()(void* data) const;
  };

  void* make(size_t bytes, size_t alignment);

  std::vector<std::unique_ptr<void, Free>> owned_;
  std::vector<Object> objects_;
  void* dynamic_ = nullptr;
  size_t static_bytes_ = 0;
};

/// The one that the words of kernels mean.
SharedMemory& shared_memory();

}  // namespace tessera
