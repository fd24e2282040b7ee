#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tessera/cancel.h"

namespace tessera {

/// Ctrl-C and SIGTERM for a program that serves: the first sets the flag and wakes wait(), a second
/// one ends the program at once with kInterruptedStatus. To be made before any other thread, which
/// then never see these signals; at most one.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  const CancelFlag& flag() const { return flag_; }
  void wait();  ///< for the first one

 private:
  void take();

  CancelFlag flag_;
  std::mutex mutex_;
  std::condition_variable come_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace tessera
