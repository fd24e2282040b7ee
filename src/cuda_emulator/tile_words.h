#pragma once

#include <vector_types.h>

#include <cstdint>

#include "cuda_emulator/async_copies.h"
#include "cuda_emulator/source_place.h"

// cuda/kernel.cuh's wrappers of tensor core and cp.async instructions.

namespace tessera {

/// As in cuda/kernel.cuh. Exact products, summed in double and rounded once; hardware adds in
/// another order and rounds differently.
void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
              SourcePlace place = SourcePlace::current());

/// As in cuda/kernel.cuh; exact, as there.
void mma_int8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
              SourcePlace place = SourcePlace::current());

/// What ldmatrix_x4 does with the rows once each lane has read its own.
void spread_matrices(uint32_t (&words)[4], const uint4& row, SourcePlace place);

/// cp.async's bookkeeping; the memory itself is touched in this header, by the kernel.
void check_async_copy(const void* shared, const void* global, SourcePlace place);
void start_async_copy(AsyncCopy copy, SourcePlace place);
void commit_async_copies(SourcePlace place);
AsyncCopy land_async_copy(uint32_t groups);

inline void ldmatrix_x4(uint32_t (&words)[4], const void* row,
                        SourcePlace place = SourcePlace::current()) {
  const uint4 own_row = *static_cast<const uint4*>(row);
  spread_matrices(words, own_row, place);
}

/// The target is NaN from here on, its bytes land in cp_async_wait: as early and as late as they
/// may on a GPU.
inline void cp_async_16(void* shared, const void* global,
                        SourcePlace place = SourcePlace::current()) {
  check_async_copy(shared, global, place);
  *static_cast<uint4*>(shared) = {~0u, ~0u, ~0u, ~0u};
  start_async_copy({shared, global}, place);
}

inline void cp_async_commit(SourcePlace place = SourcePlace::current()) {
  commit_async_copies(place);
}

template <int kGroups>
void cp_async_wait() {
  for (;;) {
    const AsyncCopy copy = land_async_copy(kGroups);
    if (copy.to == nullptr) return;
    *static_cast<uint4*>(copy.to) = *static_cast<const uint4*>(copy.from);
  }
}

}  // namespace tessera
