#include "runtime/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/clock.h"
#include "runtime/scheduler_state.h"

namespace tessera {
namespace {

void check_fits(const ScheduledRequest& request, const SchedulerLimits& limits, int64_t blocks) {
  const auto prompt = static_cast<int64_t>(request.ids.size());
  const std::string where = fmt::format("request {}", request.id);
  if (prompt == 0)
    throw Error({.where = where, .what = "prompt", .expected = "a token", .found = "none"});
  const int64_t rows = prompt + request.max_new_tokens;
  if (rows > limits.context)
    throw Error(
        {.where = where,
         .expected = fmt::format("at most {} tokens", limits.context),
         .found = fmt::format("{} of the prompt and {} new ones", prompt, request.max_new_tokens),
         .hint = "a shorter prompt, or fewer new tokens"});
  if (request.choices > limits.running)
    throw Error(
        {.where = where,
         .what = "choices",
         .expected = fmt::format("at most {}, the sequences that run at once", limits.running),
         .found = fmt::format("{}", request.choices)});
  const int64_t shared = prompt / kBlockTokens;
  const int64_t needed = shared + request.choices * (blocks_of_rows(rows) - shared);
  if (needed > blocks)
    throw Error({.where = "KV cache",
                 .what = where,
                 .expected = fmt::format("at most {} blocks of {} tokens", blocks, kBlockTokens),
                 .found = fmt::format("{} for {} + {} tokens and {} choices", needed, prompt,
                                      request.max_new_tokens, request.choices),
                 .hint = "a shorter prompt, fewer new tokens or fewer choices"});
}

}  // namespace

Scheduler::Scheduler(const SchedulerLimits& limits, BlockPool& blocks, int hash_bits)
    : state_(std::make_unique<State>(limits, blocks, hash_bits)) {}

Scheduler::~Scheduler() {
  while (!state_->requests.empty()) state_->end_request(*state_->requests.begin()->second);
  state_->cache.forget();
}

void Scheduler::add(ScheduledRequest request) {
  State& s = *state_;
  assert(!s.requests.contains(request.id));
  check_fits(request, s.limits, s.pool.capacity());
  if (const int64_t queued = waiting(); queued >= s.limits.waiting)
    throw Busy({.where = "queue",
                .expected = fmt::format("at most {} waiting requests", s.limits.waiting),
                .found = fmt::format("{}", queued),
                .hint = "try again later"},
               s.queue_rate.next_s(now_s()));
  auto made = std::make_unique<RequestState>();
  made->asked = std::move(request);
  made->arrival = ++s.last_arrival;
  for (int choice = 1; choice < made->asked.choices; ++choice) made->unborn.push_back(choice);
  made->sequences.push_back(std::make_unique<SequenceState>(
      SequenceState{.request = made.get(), .phase = SequencePhase::kOver, .life = ++s.last_life}));
  const RequestId id = made->asked.id;
  RequestState& added = *s.requests.emplace(id, std::move(made)).first->second;
  try {
    added.user = s.fair.enter(added.asked.user);
    if (added.asked.deadline_s < std::numeric_limits<double>::infinity())
      s.deadlines.emplace(added.asked.deadline_s, id);
    s.enter_queue(*added.sequences.front());
  } catch (...) {
    s.end_request(added);
    throw;
  }
}

void Scheduler::set_ready_rows(RequestId request, int64_t rows) {
  RequestState* found = state_->find(request);
  if (found == nullptr) return;
  found->ready_rows = rows;
  found->awaits_picture = false;
}

void Scheduler::commit(const Step& step, std::span<const int32_t> tokens) {
  State& s = *state_;
  assert(!s.in_flight.empty() && s.in_flight.front().id == step.id);
  const StepInFlight done = std::move(s.in_flight.front());
  s.in_flight.pop_front();
  size_t token = 0;
  for (size_t i = 0; i < step.parts.size(); ++i) {
    const StepPart& part = step.parts[i];
    const std::span<const int32_t> drawn = tokens.subspan(token, part.draws.size());
    token += drawn.size();
    SequenceState* sequence = done.parts[i].sequence;
    if (sequence == nullptr) continue;
    --sequence->in_flight;
    if (sequence->phase == SequencePhase::kOver) continue;
    if (done.parts[i].life == sequence->life) {
      sequence->computed = part.first + part.count;
      s.extend_chain(*sequence);
    }
    RequestState& request = *sequence->request;
    for (size_t d = 0; d < drawn.size(); ++d) s.accept(request, *sequence, part.draws[d], drawn[d]);
  }
}

void Scheduler::took(const Step& step, double seconds) {
  state_->cost.add(step.decode_rows, step.prefill_rows, seconds);
}

std::vector<SequenceKey> Scheduler::abandon(const Step& step) {
  State& s = *state_;
  std::vector<SequenceKey> lost;
  const auto it = std::ranges::find(s.in_flight, step.id, &StepInFlight::id);
  assert(it != s.in_flight.end());
  const StepInFlight failed = std::move(*it);
  s.in_flight.erase(it);
  for (const PartInFlight& part : failed.parts) {
    SequenceState* sequence = part.sequence;
    if (sequence == nullptr) continue;
    --sequence->in_flight;
    if (sequence->phase == SequencePhase::kOver) continue;
    // One put back meanwhile is computed again, and draws the same token; but not when a later step
    // draws from the rows lost here.
    if (part.life != sequence->life && sequence->in_flight == 0) continue;
    lost.push_back(sequence->key());
    for (const int choice : sequence->request->unborn)
      lost.push_back({.request = sequence->request->asked.id, .choice = choice});
    s.retire(*sequence);
  }
  return lost;
}

void Scheduler::end(SequenceKey sequence) {
  RequestState* request = state_->find(sequence.request);
  if (request != nullptr) state_->end_choice(*request, sequence.choice);
}

void Scheduler::end(RequestId request) {
  RequestState* found = state_->find(request);
  if (found != nullptr) state_->end_request(*found);
}

std::vector<RequestId> Scheduler::expired(double now_s) const {
  std::vector<RequestId> ids;
  for (const auto& [deadline_s, id] : state_->deadlines) {
    if (deadline_s > now_s) break;
    ids.push_back(id);
  }
  return ids;
}

double Scheduler::next_deadline_s() const {
  return state_->deadlines.empty() ? std::numeric_limits<double>::infinity()
                                   : state_->deadlines.begin()->first;
}

void Scheduler::forget_cached() {
  state_->cache.forget();
  for (SequenceState* sequence : state_->running) sequence->chain_broken = true;
}

int64_t Scheduler::running() const {
  return state_->slots;
}

int64_t Scheduler::waiting() const {
  return std::ranges::count_if(state_->requests, [](const auto& named) {
    return std::ranges::any_of(named.second->sequences, [](const auto& sequence) {
      return sequence->phase == SequencePhase::kWaiting;
    });
  });
}

int64_t Scheduler::waiting_rows() const {
  return state_->pending_rows;
}

int64_t Scheduler::cached_rows(RequestId request) const {
  const RequestState* found = state_->find(request);
  if (found == nullptr) return 0;
  if (found->started || !state_->limits.prefix_cache) return found->cached_rows;
  const SequenceState& sequence = *found->sequences.front();
  if (sequence.running()) return sequence.planned;
  PrefixEnd end;
  int64_t blocks = 0;
  for (; blocks < (found->prompt_rows() - 1) / kBlockTokens; ++blocks) {
    const auto next = state_->cache.find(end, sequence.rows_of_block(blocks));
    if (!next.has_value()) break;
    end = *next;
  }
  return blocks * kBlockTokens;
}

std::vector<RequestId> Scheduler::awaiting_pictures() const {
  std::vector<RequestId> ids;
  for (const auto& [id, request] : state_->requests)
    if (request->awaits_picture) ids.push_back(id);
  return ids;
}

bool Scheduler::started(RequestId request) const {
  const RequestState* found = state_->find(request);
  return found != nullptr && found->started;
}

uint64_t Scheduler::preemptions() const {
  return state_->preemptions;
}

int64_t Scheduler::blocks_used() const {
  return state_->pool.capacity() - state_->cache.available();
}

int64_t Scheduler::blocks_cached() const {
  return state_->cache.idle();
}

}  // namespace tessera
