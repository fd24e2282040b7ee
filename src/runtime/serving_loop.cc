#include "runtime/serving_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "runtime/error_parts.h"
#include "runtime/step_batch.h"

namespace tessera {
namespace {

using State = CachedPicture::State;

// Tokens go out before the next step begins, for this share of what the last one took: once it
// runs, its threads may have all cores, and who delivers waits for one. The rest goes out beside
// it, so that no crowd of listeners keeps a device waiting for longer.
constexpr double kTellFirst = 0.01;

// One stage gains nothing from a second micro-batch: it would read its weights twice.
SchedulerLimits scheduler_limits(const ServingOptions& options, const Pipeline& pipeline,
                                 int64_t context) {
  const PipelineLimits& limits = pipeline.limits();
  return {.rows = limits.rows,
          .running = limits.sequences,
          .context = context,
          .waiting = options.waiting,
          .in_flight = limits.slots,
          .decode_groups = pipeline.stage_count() == 1 ? 1 : pipeline.stage_count() + 1,
          .prefix_cache = options.prefix_cache};
}

}  // namespace

ServingLoop::ServingLoop(const ServingOptions& options, Pipeline& pipeline, BlockPool& blocks,
                         int64_t context)
    : options_(options),
      pipeline_(pipeline),
      blocks_(blocks),
      created_s_(now_s()),
      pictures_(options.picture_cache_bytes),
      limits_(scheduler_limits(options, pipeline, context)),
      scheduler_(std::make_unique<Scheduler>(limits_, blocks)) {
  if (pipeline_.has_vision())
    vision_ = std::make_unique<VisionQueue>(
        pipeline_.vision(),
        [this](VisionQueue::Encoded encoded) { on_encoded(std::move(encoded)); });
  thread_ = std::thread([this] { run(); });
  watch_thread_ = std::thread([this] { watch(); });
}

ServingLoop::~ServingLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  watch_wake_.notify_one();
  thread_.join();
  watch_thread_.join();
  vision_.reset();
}

// From any thread.

RequestId ServingLoop::next_id() {
  const std::lock_guard lock(mutex_);
  return ++last_id_;
}

void ServingLoop::submit(const std::shared_ptr<ServedRequest>& request) {
  const std::lock_guard lock(mutex_);
  if (broken_) throw Error(*broken_);
  const auto place = requests_.emplace(request->id(), request).first;
  try {
    scheduler_->add(request->scheduled());
  } catch (const Error&) {
    requests_.erase(place);
    ++counters_.refused;
    throw;
  } catch (...) {
    requests_.erase(place);
    throw;
  }
  ++counters_.requests;
  change();
}

void ServingLoop::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  end(id, FinishReason::kCancelled);
  change();
}

void ServingLoop::alone(const std::function<void()>& body) {
  const std::lock_guard own(owner_);
  {
    const std::lock_guard lock(mutex_);
    scheduler_->forget_cached();
  }
  body();
}

EngineStatus ServingLoop::status() const {
  const std::lock_guard lock(mutex_);
  EngineStatus out = counters_;
  if (broken_) {
    out.why_not = Error(*broken_).what();
  } else if (stalled_step_ != 0) {
    out.why_not = fmt::format("micro-batch {} has not come back for more than {:.1f} s",
                              stalled_step_, options_.stall_s);
  }
  out.ready = out.why_not.empty();
  out.uptime_s = now_s() - created_s_;
  out.running = scheduler_->running();
  out.waiting = scheduler_->waiting();
  out.kv_blocks = blocks_.capacity();
  out.kv_blocks_used = scheduler_->blocks_used();
  out.kv_blocks_cached = scheduler_->blocks_cached();
  out.image_cache_bytes = pictures_.bytes();
  out.cached_pictures = pictures_.hits();
  out.pictures = out.cached_pictures + (vision_ ? vision_->encoded() : 0);
  out.preemptions = scheduler_->preemptions();
  for (const InFlight& one : in_flight_)
    out.micro_batches.push_back({.id = one.step.id,
                                 .stage = pipeline_.stage_of(*one.batch),
                                 .decode_rows = one.step.decode_rows,
                                 .prefill_rows = one.step.prefill_rows});
  return out;
}

// The loop's thread.

void ServingLoop::run() {
  Lock lock(mutex_);
  Lock own(owner_, std::defer_lock);
  while (true) {
    try {
      if (stopping_) end_all(FinishReason::kCancelled);
      if (vision_failed_) recover({}, lock);
      end_expired();
      look_after_pictures();
      // Before the pipeline is asked for: a request that comes meanwhile must not find it lent out.
      deliver_until(now_s() + kTellFirst * last_step_s_, lock);
      if (!requests_.empty() && !own.owns_lock()) {
        lock.unlock();
        own.lock();
        lock.lock();
      }
      start_steps();
      if (in_flight_.empty()) look_after_pictures();  // planning may have found some missing
      deliver_until(std::numeric_limits<double>::infinity(), lock);
      if (!in_flight_.empty()) {
        finish_oldest(lock);
        continue;
      }
    } catch (...) {
      start_over_surely(std::current_exception(), lock);
      continue;
    }
    if (requests_.empty() && own.owns_lock()) own.unlock();
    if (stopping_ && requests_.empty() && deliveries_.empty()) return;
    if (deliveries_.empty()) wait_for_work(lock);
  }
}

void ServingLoop::wait_for_work(Lock& lock) {
  const auto woken = [&] { return changed_ || stopping_; };
  const double deadline_s = scheduler_->next_deadline_s();
  if (std::isinf(deadline_s)) {
    wake_.wait(lock, woken);
  } else {
    wake_.wait_until(lock, time_point(deadline_s), woken);
  }
  changed_ = false;
}

void ServingLoop::start_steps() {
  while (pipeline_.free_slots() > 0) {
    const double begin_s = now_s();
    std::optional<Step> step = scheduler_->plan();
    if (!step) return;
    // In the list first: once it is submitted, nothing may fail.
    InFlight& next = in_flight_.emplace_back(
        InFlight{.step = std::move(*step), .batch = nullptr, .started_s = begin_s, .requests = {}});
    try {
      next.batch = &pipeline_.acquire();
      fill(next);
      pipeline_.submit(*next.batch);
    } catch (...) {
      const InFlight failed = std::move(next);
      in_flight_.pop_back();
      if (failed.batch != nullptr) pipeline_.release(*failed.batch);
      const ErrorParts parts = parts_of(std::current_exception());
      for (const SequenceKey& lost : scheduler_->abandon(failed.step))
        end(lost.request, FinishReason::kCancelled, parts);
      return;
    }
    if (in_flight_.size() == 1) watch_wake_.notify_one();
    ++counters_.steps;
    counters_.schedule_s += now_s() - begin_s;
  }
}

void ServingLoop::fill(InFlight& next) {
  for (const StepPart& part : next.step.parts) {
    const std::shared_ptr<ServedRequest>& request = requests_.at(part.sequence.request);
    if (!request->begun()) {
      request->begin(scheduler_->cached_rows(request->id()));
      counters_.prompt_tokens += request->prepared().prompt.ids.size();
      counters_.cached_prompt_tokens +=
          static_cast<uint64_t>(scheduler_->cached_rows(request->id()));
    }
    next.requests.push_back(request);
  }
  fill_batch(next.step, next.requests, pipeline_.limits().max_blocks, *next.batch);
}

void ServingLoop::finish_oldest(Lock& lock) {
  InFlight& oldest = in_flight_.front();
  std::exception_ptr error;
  lock.unlock();
  try {
    pipeline_.wait(*oldest.batch);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (oldest.step.id == stalled_step_) stalled_step_ = 0;
  if (error) {
    recover(error, lock);
    return;
  }
  const double begin_s = now_s();
  last_step_s_ = begin_s - oldest.started_s;
  take_results(oldest);
  pipeline_.release(*oldest.batch);
  in_flight_.pop_front();
  counters_.schedule_s += now_s() - begin_s;
}

void ServingLoop::take_results(InFlight& done) {
  if (done.batch->stopped()) {  // all of it was one request's, which has been cancelled
    (void)scheduler_->abandon(done.step);
    return;
  }
  const std::span<const int32_t> tokens = done.batch->tokens;
  scheduler_->took(done.step, done.batch->busiest_s);
  scheduler_->commit(done.step, tokens);
  size_t drawn = 0;
  for (const StepPart& part : done.step.parts) {
    const RequestId id = part.sequence.request;
    for (const int choice : part.draws) {
      const size_t row = drawn++;
      const auto at = requests_.find(id);
      if (at == requests_.end()) continue;  // it has ended meanwhile
      ++counters_.new_tokens;
      ServedRequest& request = *at->second;
      std::optional<TokenLogprobs> logprobs;
      if (request.wants_logprobs()) logprobs = std::move(done.batch->logprobs[row]);
      if (!request.take(choice, tokens[row], std::move(logprobs), deliveries_)) continue;
      if (request.done()) {
        end(id, FinishReason::kStop);
      } else {
        scheduler_->end(SequenceKey{.request = id, .choice = choice});
      }
    }
  }
}

void ServingLoop::end_expired() {
  for (const RequestId id : scheduler_->expired(now_s()))
    end(id, FinishReason::kCancelled,
        ErrorParts{.where = "request", .what = "its time is over before its answer is whole"});
}

// A picture is encoded as soon as its request comes, unless the prefix cache has its rows; then
// only when the scheduler, having lost them, waits for it.
void ServingLoop::look_after_pictures() {
  const std::vector<RequestId> awaiting = scheduler_->awaiting_pictures();
  std::vector<std::pair<RequestId, std::exception_ptr>> failed;
  for (const auto& [id, request] : requests_) {
    if (request->pictures().empty()) continue;
    const PromptTokens& prompt = request->prepared().prompt;
    const int64_t cached = std::ranges::count(awaiting, id) > 0 ? 0 : scheduler_->cached_rows(id);
    auto ready = static_cast<int64_t>(prompt.ids.size());
    for (size_t i = 0; i < prompt.pictures.size(); ++i) {
      const std::shared_ptr<CachedPicture>& picture = request->pictures()[i].picture();
      const PromptTokens::Picture& place = prompt.pictures[i];
      if (picture->state == State::kReady) continue;
      ready = std::min(ready, place.first_row);
      if (picture->state == State::kFailed) failed.emplace_back(id, picture->failure);
      if (picture->state == State::kNew && place.first_row + place.rows > cached)
        vision_->add(picture);
    }
    scheduler_->set_ready_rows(id, ready);
  }
  for (const auto& [id, why] : failed) end(id, FinishReason::kCancelled, parts_of(why));
}

// With the lock.

// The listener's news first: once they are there, the rest cannot fail for want of memory.
void ServingLoop::end(RequestId id, FinishReason reason, const std::optional<ErrorParts>& error) {
  const auto at = requests_.find(id);
  if (at == requests_.end()) return;
  const std::shared_ptr<ServedRequest> request = at->second;
  request->end(reason, error, deliveries_);
  request->stopped.cancel();
  requests_.erase(at);
  if (error) ++counters_.failed;
  if (!error && reason == FinishReason::kCancelled) ++counters_.cancelled;
  scheduler_->end(id);
}

void ServingLoop::end_all(FinishReason reason, const std::optional<ErrorParts>& error) {
  while (!requests_.empty()) end(requests_.begin()->first, reason, error);
}

void ServingLoop::change() {
  changed_ = true;
  wake_.notify_one();
}

void ServingLoop::on_encoded(VisionQueue::Encoded encoded) {
  const std::lock_guard lock(mutex_);
  CachedPicture& picture = *encoded.picture;
  if (encoded.rows) {
    picture.rows = std::move(encoded.rows);
    picture.state = State::kReady;
  } else {
    picture.failure = std::move(encoded.failure);
    vision_failed_ = vision_failed_ || picture.failure != nullptr;
    picture.state = State::kFailed;
  }
  change();
}

// Without the lock.

void ServingLoop::deliver(double until_s) {
  const std::lock_guard in_order(delivering_);
  while (true) {
    while (told_ < news_.size()) {
      if (now_s() > until_s) return;
      const Delivery& one = news_[told_++];
      try {
        one.tell();
      } catch (...) {  // a listener that breaks its word loses its own answer and no other
        const std::lock_guard lock(mutex_);
        end(one.request, FinishReason::kCancelled, parts_of(std::current_exception()));
      }
    }
    news_.clear();
    told_ = 0;
    const std::lock_guard lock(mutex_);
    if (deliveries_.empty()) return;
    news_.swap(deliveries_);
    // An end takes longer to tell, and no token waits for another answer's.
    std::ranges::stable_partition(news_, [](const Delivery& one) { return !one.end; });
  }
}

void ServingLoop::deliver_until(double when_s, Lock& lock) {
  lock.unlock();
  deliver(when_s);
  lock.lock();
}

}  // namespace tessera
