#include "runtime/prefix_cache.h"

#include <fmt/format.h>

#include <cassert>
#include <span>

#include "base/checksum.h"

namespace tessera {

PrefixCache::PrefixCache(BlockPool& pool, uint64_t seed, int hash_bits)
    : pool_(pool),
      seed_(seed),
      mask_(~uint64_t{0} >> (64 - hash_bits)),
      entries_(static_cast<size_t>(pool.capacity())) {
  blocks_.reserve(entries_.size());
}

std::optional<int32_t> PrefixCache::take() {
  if (pool_.free_blocks() == 0) {
    if (oldest_ < 0) return std::nullopt;
    const int32_t block = oldest_;
    make_busy(block);
    drop(block);
    pool_.release(block);
  }
  return pool_.take();
}

void PrefixCache::share(int32_t block) {
  if (knows(block) && pool_.references(block) == 1) make_busy(block);
  pool_.share(block);
}

void PrefixCache::release(int32_t block) {
  pool_.release(block);
  if (knows(block) && pool_.references(block) == 1) make_idle(block);
}

std::optional<PrefixEnd> PrefixCache::find(const PrefixEnd& before, const BlockRows& rows) const {
  const uint64_t hash = hash_of(before, rows);
  const auto it = blocks_.find(hash);
  if (it == blocks_.end()) return std::nullopt;
  const Entry& found = entry(it->second);
  if (found.before != before.block || !(found.rows == rows)) return std::nullopt;
  return PrefixEnd{.hash = hash, .block = it->second};
}

std::optional<PrefixEnd> PrefixCache::add(const PrefixEnd& before, const BlockRows& rows,
                                          int32_t block) {
  assert(before.block < 0 || knows(before.block));
  const uint64_t hash = hash_of(before, rows);
  if (blocks_.contains(hash)) return find(before, rows);
  assert(!knows(block));
  blocks_.emplace(hash, block);
  pool_.share(block);
  Entry& added = entry(block);
  added.known = true;
  added.hash = hash;
  added.before = before.block;
  added.rows = rows;
  return PrefixEnd{.hash = hash, .block = block};
}

void PrefixCache::forget() {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const auto block = static_cast<int32_t>(i);
    if (!knows(block)) continue;
    if (pool_.references(block) == 1) make_busy(block);
    drop(block);
    pool_.release(block);
  }
}

uint64_t PrefixCache::hash_of(const PrefixEnd& before, const BlockRows& rows) const {
  struct {
    uint64_t before;
    std::array<int32_t, kBlockTokens> ids;
  } text = {before.hash, rows.ids};
  uint64_t hash = seeded_checksum(std::as_bytes(std::span(&text, 1)), seed_);
  for (const PictureRows& picture : rows.pictures) {
    const std::array<uint64_t, 6> parts = {hash,
                                           static_cast<uint64_t>(picture.first),
                                           static_cast<uint64_t>(picture.count),
                                           static_cast<uint64_t>(picture.offset),
                                           picture.hash[0],
                                           picture.hash[1]};
    hash = seeded_checksum(std::as_bytes(std::span(parts)), seed_);
  }
  return hash & mask_;
}

void PrefixCache::make_idle(int32_t block) {
  Entry& added = entry(block);
  added.older = newest_;
  added.newer = -1;
  (newest_ < 0 ? oldest_ : entry(newest_).newer) = block;
  newest_ = block;
  ++idle_;
}

void PrefixCache::make_busy(int32_t block) {
  const Entry& gone = entry(block);
  (gone.older < 0 ? oldest_ : entry(gone.older).newer) = gone.newer;
  (gone.newer < 0 ? newest_ : entry(gone.newer).older) = gone.older;
  --idle_;
}

void PrefixCache::drop(int32_t block) {
  blocks_.erase(entry(block).hash);
  entry(block).known = false;
}

std::vector<std::string> PrefixCache::violations() const {
  std::vector<std::string> found;
  size_t known = 0;
  int64_t idle = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const auto block = static_cast<int32_t>(i);
    if (!knows(block)) continue;
    ++known;
    const Entry& at = entry(block);
    const auto it = blocks_.find(at.hash);
    if (it == blocks_.end() || it->second != block)
      found.push_back(fmt::format("cached block {} is not found by its hash", block));
    if (pool_.references(block) < 1)
      found.push_back(fmt::format("cached block {} has no reference", block));
    if (pool_.references(block) == 1) ++idle;
    if (at.before < 0) continue;
    if (!knows(at.before))
      found.push_back(fmt::format("cached block {} lost block {} before it", block, at.before));
    else if (pool_.references(at.before) == 1 && pool_.references(block) > 1)
      found.push_back(fmt::format("block {} is in use, but {} before it idle", block, at.before));
  }
  if (known != blocks_.size())
    found.push_back(fmt::format("{} hashes for {} cached blocks", blocks_.size(), known));

  int64_t listed = 0;
  std::vector<bool> seen(entries_.size(), false);
  for (int32_t block = oldest_; block >= 0 && listed <= idle; block = entry(block).newer) {
    ++listed;
    if (!knows(block) || pool_.references(block) != 1)
      found.push_back(fmt::format("block {} is listed as idle", block));
    if (entry(block).before >= 0 && seen[static_cast<size_t>(entry(block).before)])
      found.push_back(fmt::format("block {} would go after the one before it", block));
    seen[static_cast<size_t>(block)] = true;
  }
  if (listed != idle || idle != idle_)
    found.push_back(fmt::format("{} idle blocks, {} listed, {} counted", idle, listed, idle_));
  return found;
}

}  // namespace tessera
