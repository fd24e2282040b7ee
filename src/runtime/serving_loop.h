#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/pipeline.h"
#include "runtime/scheduler.h"
#include "runtime/served_request.h"
#include "runtime/vision_queue.h"
#include "tessera/serving.h"

namespace tessera {

/// How requests are served.
struct ServingOptions {
  int64_t waiting = 256;                     ///< most requests in the queue
  uint64_t picture_cache_bytes = 256 << 20;  ///< of rows that no request has any more
  bool prefix_cache = true;
  double stall_s = 60;  ///< a micro-batch on its way for longer means that a stage hangs
};

/// Answers many requests at once: asks the scheduler for steps, runs them on the pipeline, and
/// tells listeners. A thread of its own does all that; pictures are encoded by another, and a third
/// one, which sleeps, ends requests whose step never comes back, and looks each second whether idle
/// GPUs are still there.
class ServingLoop {
 public:
  /// The pipeline and the blocks are the loop's while it has requests; alone() lends them out.
  ServingLoop(const ServingOptions& options, Pipeline& pipeline, BlockPool& blocks,
              int64_t context);
  ~ServingLoop();  ///< ends all requests with kCancelled

  // From any thread.

  /// The picture of these bytes, for a request that is to come; give_back() it or hand it over.
  PictureCache& pictures() { return pictures_; }
  RequestId next_id();
  void submit(
      const std::shared_ptr<ServedRequest>& request);  ///< Throws as Scheduler::add, or what broke
  void cancel(RequestId id);
  /// Fills in all but what devices the plan has.
  EngineStatus status() const;
  double vision_busy_s() const { return vision_ ? vision_->busy_s() : 0; }

  /// Waits until there are no requests, keeps new ones waiting, and has the blocks all free.
  void alone(const std::function<void()>& body);

 private:
  struct InFlight {
    Step step;
    MicroBatch* batch;
    double started_s;
    std::vector<std::shared_ptr<ServedRequest>> requests;  // that it has rows of
  };
  using Lock = std::unique_lock<std::mutex>;

  // Of the loop's thread; each holds the lock when it is called and when it returns.
  void run();
  void start_steps();
  void finish_oldest(Lock& lock);
  void take_results(InFlight& done);
  void recover(std::exception_ptr error, Lock& lock);
  void start_over(const std::exception_ptr& error, Lock& lock);
  void start_over_surely(const std::exception_ptr& error, Lock& lock);
  void repair_pipeline(Lock& lock);
  void end_expired();
  void look_after_pictures();
  void deliver_until(double when_s, Lock& lock);
  void wait_for_work(Lock& lock);

  // With the lock.
  void fill(InFlight& next);
  void end(RequestId id, FinishReason reason, const std::optional<ErrorParts>& error = {});
  void end_all(FinishReason reason, const std::optional<ErrorParts>& error = {});
  void change();
  void on_encoded(VisionQueue::Encoded encoded);  // of the vision queue's thread

  void deliver(double until_s);  // without the lock; of now_s()
  void watch();                  // the third thread
  void check_gpus(Lock& lock);
  void give_up(int stage);  // with the lock

  const ServingOptions options_;
  Pipeline& pipeline_;
  BlockPool& blocks_;
  const double created_s_;
  PictureCache pictures_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_, watch_wake_;
  bool changed_ = false, stopping_ = false;
  RequestId last_id_ = 0;
  const SchedulerLimits limits_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<RequestId, std::shared_ptr<ServedRequest>> requests_;
  std::deque<InFlight> in_flight_;  // oldest first; changed by the loop's thread alone
  std::vector<Delivery> deliveries_;
  bool vision_failed_ = false;
  std::optional<ErrorParts> broken_;  // for good
  uint64_t stalled_step_ = 0;         // that the watch has given up; 0: none
  EngineStatus counters_;
  double last_step_s_ = 0;

  std::mutex owner_;            // whoever holds it has the pipeline and the blocks
  std::mutex delivering_;       // listeners hear things in order
  std::vector<Delivery> news_;  // of whoever delivers, who has told the first of them
  size_t told_ = 0;
  std::unique_ptr<VisionQueue> vision_;
  std::thread thread_, watch_thread_;
};

}  // namespace tessera
