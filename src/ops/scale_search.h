#pragma once

#include <cstdint>

// What quantise() tries, for every kind of processor. Compiled once for each instruction set:
// internal linkage.

namespace tessera {
namespace {

// Shares of the scale that clips nothing, and how many of them are tried: the fewer bits, the more
// clipping pays. Gaussian groups of 64 are best served by 0.8 to 1 at 4 bits; the rest is for
// groups with an outlier.
constexpr float scale_share(int i) {
  constexpr float kShares[] = {1.0F, 0.93F, 0.86F, 0.8F, 0.73F, 0.66F};
  return kShares[i];
}
constexpr int tries(int bits) {
  return bits == 4 ? 6 : bits == 5 ? 4 : 3;
}

}  // namespace
}  // namespace tessera
