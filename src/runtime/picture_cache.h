#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/content_hash.h"
#include "runtime/vision_runner.h"
#include "tessera/cancel.h"
#include "tessera/engine.h"

namespace tessera {

/// A picture that prompts have: its pixels until the vision tower has seen them, then its rows.
/// Shared by all requests about it.
struct CachedPicture {
  ContentHash hash = {};
  std::vector<float> pixels;  ///< of the thread that encodes, once it is queued
  CancelFlag unwanted;        ///< nobody waits for it any more

  enum class State : uint8_t { kNew, kQueued, kReady, kFailed };
  std::atomic<State> state = State::kNew;
  std::unique_ptr<ImageRows> rows;  ///< written before it is ready
  std::exception_ptr failure;       ///< written before it has failed
};

class PictureCache;

/// A request's hold on a picture. Moves; gives it back when it goes, by when nothing on a device
/// may read the rows.
class PictureUse {
 public:
  PictureUse(PictureCache& cache, std::shared_ptr<CachedPicture> picture)
      : cache_(&cache), picture_(std::move(picture)) {}
  PictureUse(PictureUse&& other) noexcept = default;
  PictureUse& operator=(PictureUse&&) = delete;
  ~PictureUse();

  const std::shared_ptr<CachedPicture>& picture() const { return picture_; }

 private:
  PictureCache* cache_;
  std::shared_ptr<CachedPicture> picture_;  // null once moved from
};

/// Pictures by their contents. Those that no request has any more are kept, the last used longest,
/// while they are within `cap_bytes` together; nothing is kept of a picture that was not encoded.
/// From any thread.
class PictureCache {
 public:
  explicit PictureCache(uint64_t cap_bytes) : cap_bytes_(cap_bytes) {}

  /// The picture with these bytes (or this file's). `decode` gives its pixels where it is new, and
  /// runs without a lock. Throws what that throws, Error when there is no such file.
  using Decode = std::function<std::vector<float>(const Picture&)>;
  PictureUse find_or_add(const Picture& picture, const Decode& decode);

  uint64_t bytes() const;  ///< of rows that no request has
  uint64_t hits() const;   ///< find_or_add that found its picture encoded or about to be

 private:
  struct Entry {
    std::shared_ptr<CachedPicture> picture;
    int users = 0;
    std::list<ContentHash>::iterator idle;  ///< its place in idle_, without users
  };
  friend PictureUse;
  void give_back(const std::shared_ptr<CachedPicture>& picture);

  const uint64_t seed_ = secret_seed();
  const uint64_t cap_bytes_;
  mutable std::mutex mutex_;
  std::map<ContentHash, Entry> entries_;
  std::list<ContentHash> idle_;  // the last used at the end
  uint64_t idle_bytes_ = 0, hits_ = 0;
};

}  // namespace tessera
