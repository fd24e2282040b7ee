#pragma once

#include <cstdint>

namespace tessera {

/// Who goes first among threads, blocks and streams that could all go on: a right program gives the
/// same result in each.
enum class ThreadOrder : uint8_t {
  kForward,  ///< lowest thread first, blocks and streams by number
  kReverse,  ///< the other way round
  kRandom,   ///< by a seed
};

}  // namespace tessera
