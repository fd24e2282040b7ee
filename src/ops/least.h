#pragma once

#include <cstdint>

// In place of std::min, which other files share: internal linkage, for files compiled for several
// instruction sets.

namespace tessera {
namespace {

inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

}  // namespace
}  // namespace tessera
