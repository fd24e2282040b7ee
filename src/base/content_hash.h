#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera {

/// 128 bits that stand for some bytes.
using ContentHash = std::array<uint64_t, 2>;

/// XXH3 with 128 bits. Whoever does not know the seed finds no two contents with one hash.
/// Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
ContentHash content_hash(std::span<const std::byte> bytes, uint64_t seed);

/// A seed of this process's own, from the system's random numbers.
uint64_t secret_seed();

}  // namespace tessera
