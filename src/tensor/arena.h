#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace tessera {

/// Scratch memory of one stage: takes are bumps of a pointer, a Scope gives back what was taken
/// inside it. Nothing is allocated in a step. Used by one thread at a time.
///
/// On a device without memory (simulated, or for a dry run) it only counts, so that the bytes a
/// forward pass needs are found by running that very pass: predicted equals measured.
class Arena {
 public:
  static constexpr uint64_t kAlignment = 64;

  /// Counts without memory: tensors come out with null data.
  explicit Arena(Device& device) : device_(&device), capacity_(UINT64_MAX) {}
  /// Over `buffer`, which the caller keeps alive.
  explicit Arena(const DeviceBuffer& buffer)
      : device_(buffer.device()),
        base_(static_cast<std::byte*>(buffer.data())),
        capacity_(buffer.bytes()) {}

  /// Contents undefined; valid until the innermost open Scope closes. Throws Error when the arena
  /// is full: the plan promised too little, which is a bug, so the line says by how much.
  Tensor take(DType dtype, const Shape& shape);

  uint64_t peak_bytes() const { return peak_; }

  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), used_(arena.used_) {}
    ~Scope() { arena_.used_ = used_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    const uint64_t used_;
  };

 private:
  Device* device_;
  std::byte* base_ = nullptr;
  uint64_t capacity_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace tessera
