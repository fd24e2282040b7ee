#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/picture_cache.h"
#include "runtime/vision_runner.h"

namespace tessera {

/// Encodes pictures one after another on a thread of its own, so that whoever schedules never waits
/// for the tower.
class VisionQueue {
 public:
  /// What became of a picture: its rows; or why there are none, unless it was not wanted any more.
  struct Encoded {
    std::shared_ptr<CachedPicture> picture;
    std::unique_ptr<ImageRows> rows;
    std::exception_ptr failure;
  };
  /// `on_encoded` is called by the queue's thread.
  VisionQueue(VisionRunner& runner, std::function<void(Encoded)> on_encoded);
  ~VisionQueue();

  void add(const std::shared_ptr<CachedPicture>& picture);  ///< one that is new

  /// Runs `body` while no picture is being encoded.
  void between_pictures(const std::function<void()>& body);

  double busy_s() const;     ///< of the tower, so far
  uint64_t encoded() const;  ///< pictures, so far

 private:
  void run();
  Encoded encode(std::shared_ptr<CachedPicture> picture);

  VisionRunner& runner_;
  const std::function<void(Encoded)> on_encoded_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<CachedPicture>> waiting_;
  bool stopping_ = false;
  double busy_s_ = 0;
  uint64_t encoded_ = 0;
  std::mutex encoding_;  // held while a picture is on the device
  std::thread thread_;
};

}  // namespace tessera
