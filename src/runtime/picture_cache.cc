#include "runtime/picture_cache.h"

#include <cassert>
#include <utility>

#include "base/file.h"
#include "image/decode.h"

namespace tessera {

PictureUse::~PictureUse() {
  if (picture_) cache_->give_back(picture_);
}

PictureUse PictureCache::find_or_add(const Picture& picture, const Decode& decode) {
  Picture whole = picture;
  if (!whole.bytes)
    whole.bytes =
        std::make_shared<std::string>(read_file(whole.name, ImageLimits{}.max_file_bytes));
  const ContentHash hash = content_hash(std::as_bytes(std::span(*whole.bytes)), seed_);
  const auto take = [&](Entry& entry) {
    if (entry.users++ == 0) {
      idle_.erase(entry.idle);
      idle_bytes_ -= entry.picture->rows->memory.bytes();
    }
    return PictureUse(*this, entry.picture);
  };
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(hash); found != entries_.end()) {
      ++hits_;
      return take(found->second);
    }
  }
  auto fresh = std::make_shared<CachedPicture>();
  fresh->hash = hash;
  fresh->pixels = decode(whole);
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = entries_.try_emplace(hash);
  if (!is_new) return take(at->second);  // somebody else was quicker
  at->second = {.picture = std::move(fresh), .users = 1, .idle = {}};
  return {*this, at->second.picture};
}

void PictureCache::give_back(const std::shared_ptr<CachedPicture>& picture) {
  std::vector<std::shared_ptr<CachedPicture>> gone;  // freed without the lock
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(picture->hash);
  assert(at != entries_.end() && at->second.users > 0);
  if (--at->second.users > 0) return;
  if (picture->state != CachedPicture::State::kReady) {
    picture->unwanted.cancel();
    gone.push_back(std::move(at->second.picture));
    entries_.erase(at);
    return;
  }
  at->second.idle = idle_.insert(idle_.end(), picture->hash);
  idle_bytes_ += picture->rows->memory.bytes();
  while (idle_bytes_ > cap_bytes_) {
    const auto oldest = entries_.find(idle_.front());
    idle_.pop_front();
    idle_bytes_ -= oldest->second.picture->rows->memory.bytes();
    gone.push_back(std::move(oldest->second.picture));
    entries_.erase(oldest);
  }
}

uint64_t PictureCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return idle_bytes_;
}

uint64_t PictureCache::hits() const {
  const std::lock_guard lock(mutex_);
  return hits_;
}

}  // namespace tessera
