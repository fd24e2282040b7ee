#include "runtime/block_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "ops/kv_cache.h"
#include "tessera/error.h"

namespace tessera {

BlockPool::BlockPool(int64_t blocks) : references_(static_cast<size_t>(blocks), 0) {
  free_.reserve(references_.size());  // giving back a block allocates nothing
  clear();
}

void BlockPool::clear() {
  std::ranges::fill(references_, 0);
  free_.resize(references_.size());
  std::iota(free_.rbegin(), free_.rend(), 0);  // block 0 on top
}

std::optional<int32_t> BlockPool::take() {
  if (free_.empty()) return std::nullopt;
  const int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void BlockPool::share(int32_t block) {
  assert(references(block) > 0);
  ++references_[static_cast<size_t>(block)];
}

void BlockPool::release(int32_t block) {
  assert(references(block) > 0);
  if (--references_[static_cast<size_t>(block)] == 0) free_.push_back(block);
}

BlockTable::BlockTable(BlockTable&& other) noexcept
    : pool_(other.pool_), blocks_(std::exchange(other.blocks_, {})) {}

BlockTable& BlockTable::operator=(BlockTable&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(blocks_, other.blocks_);
  return *this;
}

BlockTable::~BlockTable() {
  for (const int32_t block : blocks_) pool_->release(block);
}

void BlockTable::prepare(int64_t first, int64_t count, std::vector<BlockCopy>& copies) {
  const auto begin = static_cast<size_t>(first / kBlockTokens);
  const auto end = static_cast<size_t>((first + count + kBlockTokens - 1) / kBlockTokens);
  assert(begin <= blocks_.size());

  const size_t held = std::min(end, blocks_.size());
  auto needed = static_cast<int64_t>(end - held);
  for (size_t i = begin; i < held; ++i) needed += pool_->references(blocks_[i]) > 1 ? 1 : 0;
  if (needed > pool_->free_blocks())
    throw Error({.where = "KV cache",
                 .expected = fmt::format("{} free blocks", needed),
                 .found = fmt::format("{} of {}", pool_->free_blocks(), pool_->capacity()),
                 .hint = "a larger --context or --sequences gives the cache more room"});

  for (size_t i = begin; i < held; ++i) {
    if (pool_->references(blocks_[i]) == 1) continue;
    const int32_t own = *pool_->take();
    copies.push_back({.from = blocks_[i], .to = own});
    pool_->release(blocks_[i]);
    blocks_[i] = own;
  }
  while (blocks_.size() < end) blocks_.push_back(*pool_->take());
}

BlockTable BlockTable::fork() const {
  BlockTable copy(*pool_);
  copy.blocks_ = blocks_;
  for (const int32_t block : blocks_) pool_->share(block);
  return copy;
}

}  // namespace tessera
