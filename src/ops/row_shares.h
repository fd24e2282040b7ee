#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"

namespace tessera {

/// The rows of a batch as a pool's threads share them, and each share in tiles. Loops over rows
/// give a thread the same rows (WorkerPool::for_each), so what it reads is in its own cache: two
/// cores may have no cache in common, and then a line that the other has written costs as much as
/// one from memory.
struct RowShares {
  int64_t count = 1;       ///< shares: one for all threads, or for some of them each
  int64_t tiles_each = 1;  ///< tiles of a share
  int64_t tile_rows = 0;   ///< of a tile; the last ones have fewer, or none

  int64_t tiles() const { return count * tiles_each; }
  int64_t first_row(int64_t share, int64_t tile) const {
    return (share * tiles_each + tile) * tile_rows;
  }
};

///   least        rows of a share, where there are several
///   most, step   rows of a tile: at most so many, a multiple of step as `most` is
inline RowShares share_rows(int64_t rows, int64_t threads, int64_t least, int64_t most,
                            int64_t step) {
  RowShares shares;
  shares.count = std::clamp<int64_t>(rows / least, 1, threads);
  while (threads % shares.count != 0) --shares.count;
  const int64_t each = divide_up(rows, shares.count);
  shares.tiles_each = std::max<int64_t>(1, divide_up(each, most));
  shares.tile_rows = divide_up(divide_up(each, shares.tiles_each), step) * step;
  return shares;
}

}  // namespace tessera
