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
  int64_t rows = 0;
  int64_t count = 1;       ///< shares: one for all threads, or for some of them each
  int64_t tiles_each = 1;  ///< tiles of a share
  int64_t tile_rows = 0;   ///< of a tile; the last ones have fewer, or none

  /// One kind of work on one tile: rows [first, end), none where they are equal.
  struct Task {
    int64_t first, end, kind;
    bool last_of_kind;  ///< in its share
  };
  int64_t tiles() const { return count * tiles_each; }
  /// Tasks of `kinds` kinds of work, for one for_each.
  int64_t tasks(int64_t kinds) const { return tiles() * kinds; }
  /// Those of a share stand together, so that its thread gets them, and in it those of a kind: what
  /// they have in common, weights or keys and values, stays in a cache while the tiles pass.
  Task task(int64_t index, int64_t kinds) const {
    const int64_t share = index / (kinds * tiles_each), tile = index % tiles_each;
    const int64_t first = std::min(rows, (share * tiles_each + tile) * tile_rows);
    return {.first = first,
            .end = std::min(first + tile_rows, rows),
            .kind = index % (kinds * tiles_each) / tiles_each,
            .last_of_kind = tile + 1 == tiles_each};
  }
};

/// Shares of a batch of `rows` rows among `threads` threads (>= 1).
///   least   rows of a share, where there are several; >= 1
///   most    rows of a tile at most, a multiple of step
///   step    rows that a kernel takes at a time: a tile has a multiple of them, but for the last
inline RowShares share_rows(int64_t rows, int64_t threads, int64_t least, int64_t most,
                            int64_t step) {
  RowShares shares = {.rows = rows, .count = std::clamp<int64_t>(rows / least, 1, threads)};
  while (threads % shares.count != 0) --shares.count;
  const int64_t each = divide_up(rows, shares.count);
  shares.tiles_each = std::max<int64_t>(1, divide_up(each, most));
  shares.tile_rows = divide_up(divide_up(each, shares.tiles_each), step) * step;
  return shares;
}

}  // namespace tessera
