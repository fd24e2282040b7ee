#pragma once

#include <vector_functions.h>
#include <vector_types.h>

#include "cuda_emulator/shared_memory.h"

// Shared memory, and loads and stores with a hint to the caches.

namespace tessera {

/// As in cuda/kernel.cuh. The object is found by its type, hence one of a type in a kernel.
template <typename T>
T& block_shared() {
  static const char key = 0;
  return *static_cast<T*>(shared_memory().object(&key, sizeof(T), alignof(T)));
}

template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(shared_memory().dynamic_bytes());
}

}  // namespace tessera

template <typename T>
T __ldg(const T* from) {
  return *from;
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
template <typename T>
T __ldca(const T* from) {
  return *from;
}
template <typename T>
T __ldcs(const T* from) {
  return *from;
}
template <typename T>
void __stcg(T* to, T value) {
  *to = value;
}
template <typename T>
void __stcs(T* to, T value) {
  *to = value;
}
