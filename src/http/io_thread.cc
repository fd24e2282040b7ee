#include "http/io_thread.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace tessera {

struct IoThread::Impl {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  std::mutex mutex;  // closed against post()
  bool closed = false;
  std::thread thread;
};

IoThread::IoThread(LogSink log) : log_(std::move(log)), impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([this] { run_until_done(); });
}

IoThread::~IoThread() {
  finish();
}

void IoThread::run_until_done() {
  while (true) {
    try {
      impl_->context.run();
      return;
    } catch (const std::exception& error) {
      if (log_)
        log_(LogLevel::kWarning, std::string("server: a connection failed: ") + error.what());
    }
  }
}

void IoThread::post(std::function<void()> task) {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->closed) boost::asio::post(impl_->context, std::move(task));
}

void IoThread::finish() {
  if (!impl_->thread.joinable()) return;
  impl_->work.reset();
  impl_->thread.join();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
  }
  // What was posted between the thread's end and now: nobody else can run it any more.
  impl_->context.restart();
  run_until_done();
}

boost::asio::io_context& IoThread::context() {
  return impl_->context;
}

struct Timer::Impl {
  explicit Impl(boost::asio::io_context& context) : timer(context) {}

  boost::asio::steady_timer timer;
  std::function<void()> expired;
  uint64_t round = 0;  // tells a wait that was cancelled too late from the present one
};

Timer::Timer(IoThread& thread) : impl_(std::make_shared<Impl>(thread.context())) {}

Timer::~Timer() {
  cancel();
}

void Timer::start(double seconds, std::function<void()> expired) {
  const uint64_t round = ++impl_->round;
  impl_->expired = std::move(expired);
  impl_->timer.expires_after(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
  impl_->timer.async_wait([impl = impl_, round](const boost::system::error_code& error) {
    if (error || impl->round != round) return;
    std::exchange(impl->expired, nullptr)();
  });
}

void Timer::cancel() {
  ++impl_->round;
  impl_->expired = nullptr;
  impl_->timer.cancel();
}

bool Timer::running() const {
  return static_cast<bool>(impl_->expired);
}

}  // namespace tessera
