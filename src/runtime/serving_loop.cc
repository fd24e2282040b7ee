#include "runtime/serving_loop.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/clock.h"
#include "runtime/step_batch.h"

namespace tessera {
namespace {

using State = CachedPicture::State;

ErrorParts parts_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return e.parts();
  } catch (const std::bad_alloc&) {
    return {.where = "engine", .what = "out of host memory"};
  } catch (const std::exception& e) {
    return {.where = "engine", .what = e.what()};
  }
}

std::chrono::steady_clock::time_point time_point(double when_s) {
  using Clock = std::chrono::steady_clock;
  return Clock::time_point(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(when_s)));
}

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
      scheduler_(scheduler_limits(options, pipeline, context), blocks) {
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

void ServingLoop::submit(std::shared_ptr<ServedRequest> request) {
  const std::lock_guard lock(mutex_);
  if (broken_) throw Error(*broken_);
  try {
    scheduler_.add(request->scheduled());
  } catch (const Error&) {
    ++counters_.refused;
    throw;
  }
  ++counters_.requests;
  const RequestId id = request->id();
  requests_.emplace(id, std::move(request));
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
    scheduler_.forget_cached();
  }
  body();
}

EngineStatus ServingLoop::status() const {
  const std::lock_guard lock(mutex_);
  EngineStatus out = counters_;
  if (broken_) {
    out.why_not = Error(*broken_).what();
  } else if (stalled_step_ != 0) {
    out.why_not = fmt::format("micro-batch {} has not come back for more than {:.0f} s",
                              stalled_step_, options_.stall_s);
  }
  out.ready = out.why_not.empty();
  out.uptime_s = now_s() - created_s_;
  out.running = scheduler_.running();
  out.waiting = scheduler_.waiting();
  out.kv_blocks = blocks_.capacity();
  out.kv_blocks_used = scheduler_.blocks_used();
  out.kv_blocks_cached = scheduler_.blocks_cached();
  out.image_cache_bytes = pictures_.bytes();
  out.cached_pictures = pictures_.hits();
  out.pictures = vision_ ? vision_->encoded() : 0;
  out.preemptions = scheduler_.preemptions();
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
      if (!requests_.empty() && !own.owns_lock()) {
        lock.unlock();
        own.lock();
        lock.lock();
      }
      start_steps();
      if (!deliveries_.empty()) {
        lock.unlock();
        deliver();
        lock.lock();
      }
      if (!in_flight_.empty()) {
        finish_oldest(lock);
        continue;
      }
    } catch (...) {
      if (!lock.owns_lock()) lock.lock();
      recover(std::current_exception(), lock);
      continue;
    }
    if (requests_.empty() && own.owns_lock()) own.unlock();
    if (stopping_ && deliveries_.empty()) return;
    if (deliveries_.empty()) wait_for_work(lock);
  }
}

void ServingLoop::wait_for_work(Lock& lock) {
  const auto woken = [&] { return changed_ || stopping_; };
  const double deadline_s = scheduler_.next_deadline_s();
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
    std::optional<Step> step = scheduler_.plan();
    if (!step) return;
    InFlight next{.step = std::move(*step), .batch = nullptr, .started_s = begin_s, .requests = {}};
    try {
      next.batch = &pipeline_.acquire();
      fill(next);
      pipeline_.submit(*next.batch);
    } catch (...) {
      if (next.batch != nullptr) pipeline_.release(*next.batch);
      const ErrorParts parts = parts_of(std::current_exception());
      for (const SequenceKey& lost : scheduler_.abandon(next.step))
        end(lost.request, FinishReason::kCancelled, parts);
      return;
    }
    if (in_flight_.empty()) watch_wake_.notify_one();
    in_flight_.push_back(std::move(next));
    ++counters_.steps;
    counters_.schedule_s += now_s() - begin_s;
  }
}

void ServingLoop::fill(InFlight& next) {
  for (const StepPart& part : next.step.parts) {
    const std::shared_ptr<ServedRequest>& request = requests_.at(part.sequence.request);
    if (!request->begun()) {
      request->begin(scheduler_.cached_rows(request->id()));
      counters_.prompt_tokens += request->prepared().prompt.ids.size();
      counters_.cached_prompt_tokens +=
          static_cast<uint64_t>(scheduler_.cached_rows(request->id()));
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
  take_results(oldest);
  pipeline_.release(*oldest.batch);
  in_flight_.pop_front();
  counters_.schedule_s += now_s() - begin_s;
}

void ServingLoop::take_results(InFlight& done) {
  if (done.batch->stopped()) {  // all of it was one request's, which has been cancelled
    (void)scheduler_.abandon(done.step);
    return;
  }
  const std::span<const int32_t> tokens = done.batch->tokens;
  scheduler_.commit(done.step, tokens);
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
        scheduler_.end(SequenceKey{.request = id, .choice = choice});
      }
    }
  }
}

// What was in flight behind the failure is lost, and its requests end with the error; others go on.
void ServingLoop::recover(std::exception_ptr error, Lock& lock) {
  for (InFlight& one : in_flight_) {
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
      for (const SequenceKey& lost : scheduler_.abandon(one.step))
        end(lost.request, FinishReason::kCancelled, parts_of(error));
    }
    pipeline_.release(*one.batch);
  }
  in_flight_.clear();
  scheduler_.forget_cached();
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

void ServingLoop::end_expired() {
  for (const RequestId id : scheduler_.expired(now_s()))
    end(id, FinishReason::kCancelled,
        ErrorParts{.where = "request", .what = "its time is over before its answer is whole"});
}

void ServingLoop::look_after_pictures() {
  std::vector<std::pair<RequestId, std::string>> failed;
  for (const auto& [id, request] : requests_) {
    if (request->pictures().empty()) continue;
    const PromptTokens& prompt = request->prepared().prompt;
    const int64_t cached = scheduler_.cached_rows(id);
    auto ready = static_cast<int64_t>(prompt.ids.size());
    for (size_t i = 0; i < prompt.pictures.size(); ++i) {
      const std::shared_ptr<CachedPicture>& picture = request->pictures()[i].picture();
      const PromptTokens::Picture& place = prompt.pictures[i];
      if (picture->state == State::kReady || place.first_row + place.rows <= cached) continue;
      if (picture->state == State::kFailed) failed.emplace_back(id, picture->failure);
      if (picture->state == State::kNew) {
        picture->state = State::kQueued;
        vision_->add(picture);
      }
      ready = std::min(ready, place.first_row);
    }
    scheduler_.set_ready_rows(id, ready);
  }
  for (const auto& [id, why] : failed)
    end(id, FinishReason::kCancelled, ErrorParts{.where = "picture", .what = why});
}

// With the lock.

void ServingLoop::end(RequestId id, FinishReason reason, std::optional<ErrorParts> error) {
  const auto at = requests_.find(id);
  if (at == requests_.end()) return;
  const std::shared_ptr<ServedRequest> request = std::move(at->second);
  requests_.erase(at);
  request->stopped.cancel();
  scheduler_.end(id);
  if (error) ++counters_.failed;
  if (!error && reason == FinishReason::kCancelled) ++counters_.cancelled;
  request->end(reason, std::move(error), deliveries_);
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
    vision_failed_ = vision_failed_ || !picture.unwanted.cancelled();
    picture.state = State::kFailed;
  }
  change();
}

// Without the lock.

void ServingLoop::deliver() {
  const std::lock_guard in_order(delivering_);
  std::vector<Delivery> news;
  {
    const std::lock_guard lock(mutex_);
    news.swap(deliveries_);
  }
  for (const Delivery& one : news) {
    if (one.end) {
      one.listener->on_end(*one.end);
    } else {
      one.listener->on_piece({.choice = one.choice,
                              .text = one.text,
                              .logprobs = one.logprobs ? &*one.logprobs : nullptr});
    }
  }
}

void ServingLoop::watch() {
  constexpr double kAgain_s = 1;  // while a step is stuck
  Lock lock(mutex_);
  const auto stopping = [&] { return stopping_; };
  while (!stopping_) {
    if (in_flight_.empty()) {
      watch_wake_.wait(lock, [&] { return stopping_ || !in_flight_.empty(); });
      continue;
    }
    const uint64_t step = in_flight_.front().step.id;
    const double due_s = in_flight_.front().started_s + options_.stall_s;
    if (stalled_step_ == step || now_s() < due_s) {
      watch_wake_.wait_until(lock, time_point(std::max(due_s, now_s() + kAgain_s)), stopping);
      continue;
    }
    stalled_step_ = step;
    const int stage = pipeline_.stage_of(*in_flight_.front().batch);
    end_all(
        FinishReason::kCancelled,
        ErrorParts{.where = fmt::format("stage {}", stage),
                   .what = "hangs",
                   .expected = fmt::format("a micro-batch back within {:.0f} s", options_.stall_s),
                   .hint = "see what else its device is doing"});
    lock.unlock();
    deliver();
    lock.lock();
  }
}

}  // namespace tessera
