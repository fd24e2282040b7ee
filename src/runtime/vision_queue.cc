#include "runtime/vision_queue.h"

#include <utility>

namespace tessera {

VisionQueue::VisionQueue(VisionRunner& runner, std::function<void(Encoded)> on_encoded)
    : runner_(runner), on_encoded_(std::move(on_encoded)), thread_([this] { run(); }) {}

VisionQueue::~VisionQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& picture : waiting_) picture->unwanted.cancel();
  }
  wake_.notify_one();
  thread_.join();
}

void VisionQueue::add(const std::shared_ptr<CachedPicture>& picture) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(picture);
    picture->state = CachedPicture::State::kQueued;
  }
  wake_.notify_one();
}

void VisionQueue::between_pictures(const std::function<void()>& body) {
  const std::lock_guard lock(encoding_);
  body();
}

double VisionQueue::busy_s() const {
  const std::lock_guard lock(mutex_);
  return busy_s_;
}

uint64_t VisionQueue::encoded() const {
  const std::lock_guard lock(mutex_);
  return encoded_;
}

void VisionQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    std::shared_ptr<CachedPicture> picture = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Encoded done = encode(std::move(picture));
    lock.lock();
    if (done.rows) {
      busy_s_ += done.rows->encode_s();
      ++encoded_;
    }
    lock.unlock();
    on_encoded_(std::move(done));
    lock.lock();
  }
}

VisionQueue::Encoded VisionQueue::encode(std::shared_ptr<CachedPicture> picture) {
  Encoded done{.picture = std::move(picture), .rows = nullptr, .failure = {}};
  if (done.picture->unwanted.cancelled()) return done;
  const std::lock_guard lock(encoding_);
  try {
    done.rows = runner_.encode(done.picture->pixels, &done.picture->unwanted);
    done.rows->ready->synchronize();
    runner_.check();
    if (done.picture->unwanted.cancelled()) done.rows.reset();
    done.picture->pixels = {};
  } catch (...) {
    done.rows.reset();
    done.failure = std::current_exception();
  }
  return done;
}

}  // namespace tessera
