#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera {

/// A page of every layer's KV cache to be copied to another before the micro-batch writes.
struct BlockCopy {
  int32_t from, to;
};

/// Ids of KV blocks. An id names the same page in each layer on each stage, so whoever schedules
/// never looks at devices. Counts references: sequences with a common beginning share its blocks.
/// Not thread-safe.
class BlockPool {
 public:
  explicit BlockPool(int64_t blocks);

  int64_t capacity() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }

  /// All blocks are free, whoever had them.
  void clear();

  std::optional<int32_t> take();  ///< with one reference; empty when all are in use
  void share(int32_t block);      ///< one reference more
  void release(int32_t block);    ///< one less; the last one frees it
  int32_t references(int32_t block) const { return references_[static_cast<size_t>(block)]; }

 private:
  std::vector<int32_t> references_;
  std::vector<int32_t> free_;  // a stack: the block last freed is the warmest
};

/// The blocks of one sequence in order of position. Gives its references back when destroyed; the
/// pool must outlive it.
class BlockTable {
 public:
  explicit BlockTable(BlockPool& pool) : pool_(&pool) {}
  BlockTable(BlockTable&& other) noexcept;
  BlockTable& operator=(BlockTable&& other) noexcept;
  ~BlockTable();

  std::span<const int32_t> blocks() const { return blocks_; }

  /// Makes positions [first, first + count) writable: takes missing blocks, and replaces a shared
  /// one by a copy of its own, named in `copies`. Throws Error, with nothing taken, when the pool
  /// has too few.
  void prepare(int64_t first, int64_t count, std::vector<BlockCopy>& copies);

  /// A second sequence with the same past, sharing every block.
  BlockTable fork() const;

 private:
  BlockPool* pool_;
  std::vector<int32_t> blocks_;
};

}  // namespace tessera
