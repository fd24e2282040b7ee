#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/attention_tile.h"

// Internal linkage: compiled for several instruction sets.

namespace tessera {
namespace {

constexpr int64_t kSlots = 16;  // tokens of a page

/// What `base` of page 0 points to, in the page of token `t`.
template <typename T>
const T* page(const AttentionTile& tile, const void* base, int64_t t) {
  return reinterpret_cast<const T*>(static_cast<const std::byte*>(base) +
                                    tile.from.blocks[t / kSlots] * tile.from.stride);
}

}  // namespace
}  // namespace tessera
