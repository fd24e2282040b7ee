#pragma once

#include <cstdint>

namespace tessera {

/// What the lanes of a warp do together. All lanes of a mask must do the same.
enum class WarpWord : uint8_t {
  kShuffleXor,
  kShuffleUp,
  kShuffleDown,
  kShuffle,
  kBallot,
  kReduce,
  kSyncWarp,
  kMultiplyBf16,  ///< this and the next: by all 32 lanes in the same place of the program
  kMultiplyInt8,
  kLoadMatrix,
};

}  // namespace tessera
