#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ops/kv_cache.h"
#include "runtime/block_pool.h"

namespace tessera {

/// Rows of a picture inside one block.
struct PictureRows {
  int64_t first = 0, count = 0;  ///< in the block
  int64_t offset = 0;            ///< of the first one in the picture
  std::array<uint64_t, 2> hash = {};
  bool operator==(const PictureRows&) const = default;
};

/// What the rows of a full block were computed from, but for those before them.
struct BlockRows {
  std::array<int32_t, kBlockTokens> ids = {};  ///< 0 under a picture
  std::vector<PictureRows> pictures = {};
  bool operator==(const BlockRows&) const = default;
};

/// Where a chain of cached blocks ends; the default is where every sequence begins.
struct PrefixEnd {
  uint64_t hash = 0;
  int32_t block = -1;
};

/// Full blocks by what they were computed from: a chain of hashes over (the block before, ids,
/// pictures). A hit compares the contents themselves, so two that share a hash are never mixed up,
/// whoever made them. It holds one reference to each block it knows; those that nobody else holds
/// are idle, and are given away, the longest idle first, when the pool has no free one. A sequence
/// must hold a whole chain, and release its end first: then a chain is always shortened at its end.
/// All references to blocks go through it. Not thread-safe.
class PrefixCache {
 public:
  /// `seed` of the hashes, drawn at random so that nobody can plan collisions. Fewer bits make
  /// them common, for tests. The pool must outlive it.
  PrefixCache(BlockPool& pool, uint64_t seed, int hash_bits = 64);

  std::optional<int32_t> take();  ///< a free block, or an idle one that is then forgotten
  void share(int32_t block);
  void release(int32_t block);
  int64_t available() const { return pool_.free_blocks() + idle_; }
  int64_t idle() const { return idle_; }

  /// The block that holds these rows behind that chain.
  std::optional<PrefixEnd> find(const PrefixEnd& before, const BlockRows& rows) const;

  /// `block` holds these rows from now on. Gives the chain's new end: another block when one with
  /// the same rows is known already; none when their hash belongs to other rows, and nothing can
  /// be added behind them.
  std::optional<PrefixEnd> add(const PrefixEnd& before, const BlockRows& rows, int32_t block);

  void forget();  ///< everything; idle blocks are free

  bool knows(int32_t block) const { return entries_[static_cast<size_t>(block)].known; }
  std::vector<std::string> violations() const;

 private:
  struct Entry {
    bool known = false;
    uint64_t hash = 0;
    int32_t before = -1;
    BlockRows rows = {};
    int32_t older = -1, newer = -1;  // among the idle ones
  };
  Entry& entry(int32_t block) { return entries_[static_cast<size_t>(block)]; }
  const Entry& entry(int32_t block) const { return entries_[static_cast<size_t>(block)]; }
  uint64_t hash_of(const PrefixEnd& before, const BlockRows& rows) const;
  void make_idle(int32_t block);
  void make_busy(int32_t block);
  void drop(int32_t block);

  BlockPool& pool_;
  const uint64_t seed_, mask_;
  std::vector<Entry> entries_;  // by block
  std::unordered_map<uint64_t, int32_t> blocks_;
  int32_t oldest_ = -1, newest_ = -1;
  int64_t idle_ = 0;
};

}  // namespace tessera
