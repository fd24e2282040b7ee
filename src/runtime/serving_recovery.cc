#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "runtime/error_parts.h"
#include "runtime/serving_loop.h"

// What the loop does when something goes wrong.

namespace tessera {

// What was in flight behind the failure is lost, and its requests end with the error; others go on.
void ServingLoop::recover(std::exception_ptr error, Lock& lock) {
  while (!in_flight_.empty()) {
    InFlight& one = in_flight_.front();
    lock.unlock();
    try {
      pipeline_.wait(*one.batch);
    } catch (...) {
      if (!error) error = std::current_exception();
    }
    lock.lock();
    if (!error) {
      take_results(one);
    } else {
      for (const SequenceKey& lost : scheduler_->abandon(one.step))
        end(lost.request, FinishReason::kCancelled, parts_of(error));
    }
    pipeline_.release(*one.batch);
    in_flight_.pop_front();
  }
  scheduler_->forget_cached();
  repair_pipeline(lock);
}

// A failure of the loop itself, in the middle of something: every request ends. Nobody may meet
// half a scheduler: there is a new one before anything lets go of the lock.
void ServingLoop::start_over(const std::exception_ptr& error, Lock& lock) {
  scheduler_ = std::make_unique<Scheduler>(limits_, blocks_);
  blocks_.clear();  // what the old one had of them, too
  end_all(FinishReason::kCancelled, parts_of(error));
  while (!in_flight_.empty()) {
    lock.unlock();
    try {
      pipeline_.wait(*in_flight_.front().batch);
    } catch (...) {  // its request is about to end
    }
    lock.lock();
    pipeline_.release(*in_flight_.front().batch);
    in_flight_.pop_front();
  }
  repair_pipeline(lock);
}

// Until there is the memory for it.
void ServingLoop::start_over_surely(const std::exception_ptr& error, Lock& lock) {
  constexpr double kAgain_s = 0.05;
  while (true) {
    if (!lock.owns_lock()) lock.lock();
    try {
      start_over(error, lock);
      return;
    } catch (const std::bad_alloc&) {
      sleep_until_s(now_s() + kAgain_s);
    }
  }
}

void ServingLoop::repair_pipeline(Lock& lock) {
  vision_failed_ = false;
  stalled_step_ = 0;
  lock.unlock();
  try {
    if (vision_) {
      vision_->between_pictures([this] { pipeline_.recover(); });
    } else {
      pipeline_.recover();
    }
    lock.lock();
  } catch (...) {
    lock.lock();
    broken_ = parts_of(std::current_exception());
    end_all(FinishReason::kCancelled, broken_);
  }
}

void ServingLoop::give_up(int stage) {
  try {
    end_all(
        FinishReason::kCancelled,
        ErrorParts{.where = fmt::format("stage {}", stage),
                   .what = "hangs",
                   .expected = fmt::format("a micro-batch back within {:.1f} s", options_.stall_s),
                   .hint = "see what else its device is doing"});
  } catch (const std::bad_alloc&) {
    stalled_step_ = 0;  // once more, later
  }
}

// While nothing runs, nobody would notice that a GPU is lost before a request has failed on it.
void ServingLoop::check_gpus(Lock& lock) {
  try {
    std::optional<ErrorParts> lost;
    lock.unlock();
    try {
      pipeline_.check_gpus();
    } catch (const Error& e) {
      lost = e.parts();
    }
    lock.lock();
    if (!lost || broken_) return;
    end_all(FinishReason::kCancelled, lost);
    broken_ = std::move(lost);
    change();
  } catch (const std::bad_alloc&) {  // once more, later
    if (!lock.owns_lock()) lock.lock();
  }
}

void ServingLoop::watch() {
  constexpr double kAgain_s = 1;   // while a step is stuck
  constexpr double kGpus_s = 0.5;  // so that what they tell is never older than a second
  Lock lock(mutex_);
  const auto stopping = [&] { return stopping_; };
  const auto watched = [&] { return stopping_ || !in_flight_.empty(); };
  while (!stopping_) {
    if (in_flight_.empty()) {
      if (broken_ || !pipeline_.has_gpus())
        watch_wake_.wait(lock, watched);
      else if (!watch_wake_.wait_until(lock, time_point(now_s() + kGpus_s), watched))
        check_gpus(lock);
      continue;
    }
    const uint64_t step = in_flight_.front().step.id;
    const double due_s = in_flight_.front().started_s + options_.stall_s;
    if (stalled_step_ == step || now_s() < due_s) {
      const double again_s = std::max(due_s, now_s() + kAgain_s);
      const double idle_s = pipeline_.has_gpus() ? now_s() + kGpus_s : again_s;
      watch_wake_.wait_until(lock, time_point(std::min(again_s, idle_s)), stopping);
      continue;
    }
    stalled_step_ = step;
    give_up(pipeline_.stage_of(*in_flight_.front().batch));
    lock.unlock();
    deliver(std::numeric_limits<double>::infinity());
    lock.lock();
  }
}

}  // namespace tessera
