#pragma once

#include <cstdint>

// Compiled once for each instruction set: internal linkage.

namespace tessera {
namespace {

/// Of a group's inputs (a multiple of 16, at most 128) that are left to rotate, how many make the
/// next block: the largest power of two among them.
constexpr int64_t hadamard_block(int64_t left) {
  int64_t block = 128;
  while (block > left) block /= 2;
  return block;
}

}  // namespace
}  // namespace tessera
