#pragma once

#include <atomic>
#include <concepts>
#include <type_traits>

#include "cuda_emulator/sanitizers.h"

// Atomics: relaxed, as CUDA's are. Order between blocks comes from __threadfence beside them.

namespace tessera {

/// Orders what a fence of this thread and an atomic at `address` together order; only
/// ThreadSanitizer wants to know. Before the atomic: what came before a fence is seen by whoever
/// reads the atomic and then fences.
void before_atomic(void* address);
void after_atomic(void* address);
void fence_thread();

/// One atomic replacement of *address by change(old); returns the old value.
template <typename T, typename Change>
T change_atomically(T* address, const Change& change) {
  if constexpr (kUnderTsan) before_atomic(address);
  std::atomic_ref<T> value(*address);
  T old = value.load(std::memory_order_relaxed);
  while (!value.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  if constexpr (kUnderTsan) after_atomic(address);
  return old;
}

template <typename T>
concept AtomicInteger =
    std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, unsigned long long>;
template <typename T>
concept AtomicNumber = AtomicInteger<T> || std::same_as<T, float> || std::same_as<T, double>;

}  // namespace tessera

template <tessera::AtomicNumber T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return old + value; });
}
template <tessera::AtomicInteger T>
T atomicSub(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return old - value; });
}
template <tessera::AtomicInteger T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return value < old ? value : old; });
}
template <tessera::AtomicInteger T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return value > old ? value : old; });
}
template <tessera::AtomicInteger T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return old & value; });
}
template <tessera::AtomicInteger T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return old | value; });
}
template <typename T>
requires tessera::AtomicInteger<T> || std::same_as<T, float> T
atomicExch(T* address, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T) { return value; });
}
template <tessera::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return tessera::change_atomically(address, [&](T old) { return old == expected ? value : old; });
}

inline void __threadfence_block() {
  tessera::fence_thread();
}
inline void __threadfence() {
  tessera::fence_thread();
}
inline void __threadfence_system() {
  tessera::fence_thread();
}
