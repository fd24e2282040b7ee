#pragma once

#include <functional>
#include <memory>

#include "tessera/log.h"

namespace boost::asio {
class io_context;
}

namespace tessera {

/// A thread that waits for sockets and timers, and runs what is posted to it. Sleeps when nothing
/// happens. Whoever may post later than finish() holds a shared_ptr.
class IoThread {
 public:
  /// What a task throws becomes a line of the log, and the thread goes on.
  explicit IoThread(LogSink log);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// Any thread. The task runs later, on this thread; after finish() it is dropped.
  void post(std::function<void()> task);

  /// Returns when every socket and timer on this thread has been closed and the thread has ended.
  /// Not from a task.
  void finish();

  boost::asio::io_context& context();

 private:
  struct Impl;
  void run_until_done();

  const LogSink log_;
  std::unique_ptr<Impl> impl_;
};

/// Calls back once, later. Used on its IoThread alone.
class Timer {
 public:
  explicit Timer(IoThread& thread);
  ~Timer();  ///< cancels
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// In place of what was waited for before.
  void start(double seconds, std::function<void()> expired);
  void cancel();
  bool running() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tessera
