#include "runtime/scheduler_state.h"

#include <algorithm>
#include <cassert>
#include <random>
#include <tuple>

#include "base/clock.h"
#include "base/units.h"

namespace tessera {
namespace {

uint64_t random_seed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

auto age(const SequenceState* sequence) {
  return std::tuple(sequence->request->arrival, sequence->choice);
}

}  // namespace

int64_t blocks_of_rows(int64_t rows) {
  return divide_up(rows, kBlockTokens);
}

int64_t SequenceState::length() const {
  return request->prompt_rows() + static_cast<int64_t>(made.size());
}

int32_t SequenceState::id_at(int64_t row) const {
  const auto& prompt = request->asked.ids;
  const auto at = static_cast<size_t>(row);
  return at < prompt.size() ? prompt[at] : made[at - prompt.size()];
}

SequenceKey SequenceState::key() const {
  return {.request = request->asked.id, .choice = choice};
}

BlockRows SequenceState::rows_of_block(int64_t index) const {
  BlockRows rows;
  const int64_t begin = index * kBlockTokens, end = begin + kBlockTokens;
  for (int64_t row = begin; row < end; ++row)
    rows.ids[static_cast<size_t>(row - begin)] = id_at(row);
  for (const PromptPicture& picture : request->asked.pictures) {
    const int64_t first = std::max(begin, picture.first_row);
    const int64_t last = std::min(end, picture.first_row + picture.rows);
    if (first >= last) continue;
    rows.pictures.push_back({.first = first - begin,
                             .count = last - first,
                             .offset = first - picture.first_row,
                             .hash = picture.hash});
  }
  return rows;
}

Scheduler::State::State(const SchedulerLimits& all_limits, BlockPool& blocks, int hash_bits)
    : limits(all_limits), pool(blocks), cache(blocks, random_seed(), hash_bits) {}

RequestState* Scheduler::State::find(RequestId id) const {
  const auto it = requests.find(id);
  return it == requests.end() ? nullptr : it->second.get();
}

SequenceState* Scheduler::State::youngest() const {
  const auto it = std::ranges::max_element(running, {}, age);
  return it == running.end() ? nullptr : *it;
}

int64_t Scheduler::State::slots_of(const SequenceState& sequence) const {
  return 1 + static_cast<int64_t>(sequence.request->unborn.size());
}

void Scheduler::State::enter_queue(SequenceState& sequence) {
  sequence.phase = SequencePhase::kWaiting;
  pending_rows += sequence.length() - sequence.planned;
  if (!sequence.put_back) {
    fair.push(sequence.request->user, sequence.request->asked.id);
    return;
  }
  put_back.insert(std::ranges::upper_bound(put_back, age(&sequence), {}, age), &sequence);
}

// Wherever it is queued: it may run already.
void Scheduler::State::leave_queue(SequenceState& sequence) {
  if (sequence.put_back) {
    std::erase(put_back, &sequence);
    sequence.put_back = false;
  } else {
    fair.remove(sequence.request->user, sequence.request->asked.id);
  }
}

// Gives back all it holds; it is in no queue afterwards.
void Scheduler::State::stop_running(SequenceState& sequence, SequencePhase next) {
  if (sequence.owing()) {
    pending_rows -= sequence.length() - sequence.planned;
    leave_queue(sequence);
  }
  if (sequence.running()) {
    std::erase(running, &sequence);
    slots -= slots_of(sequence);
  }
  if (sequence.phase == SequencePhase::kDecoding) {
    --decoding;
    std::erase(ready, &sequence);
  }
  give_back_blocks(sequence);
  sequence.phase = next;
}

void Scheduler::State::preempt(SequenceState& sequence) {
  stop_running(sequence, SequencePhase::kWaiting);
  sequence.life = ++last_life;
  sequence.put_back = true;
  enter_queue(sequence);
  ++preemptions;
}

void Scheduler::State::retire(SequenceState& sequence) {
  stop_running(sequence, SequencePhase::kOver);
}

void Scheduler::State::forget_in_flight(const SequenceState& sequence) {
  if (sequence.in_flight == 0) return;
  for (StepInFlight& step : in_flight)
    for (PartInFlight& part : step.parts)
      if (part.sequence == &sequence) part.sequence = nullptr;
}

// At least one row stays to be computed: the next token is drawn from it.
void Scheduler::State::adopt_prefix(SequenceState& sequence) {
  if (!limits.prefix_cache) return;
  const int64_t most = (sequence.length() - 1) / kBlockTokens;
  while (sequence.cached_blocks < most) {
    const auto end = cache.find(sequence.cached, sequence.rows_of_block(sequence.cached_blocks));
    if (!end.has_value()) break;
    cache.share(end->block);
    sequence.blocks.push_back(end->block);
    sequence.cached = *end;
    ++sequence.cached_blocks;
  }
  const int64_t rows = sequence.cached_blocks * kBlockTokens;
  sequence.computed = sequence.planned = rows;
  sequence.charged = std::max(sequence.charged, rows);
  pending_rows -= rows;
}

// The end of the chain first: see PrefixCache.
void Scheduler::State::give_back_blocks(SequenceState& sequence) {
  for (; !sequence.blocks.empty(); sequence.blocks.pop_back())
    cache.release(sequence.blocks.back());
  sequence.computed = sequence.planned = 0;
  sequence.cached = {};
  sequence.cached_blocks = 0;
  sequence.chain_broken = false;
}

// Blocks that are full of committed rows become known; one with the same rows takes the place of
// our own. Steps in flight that name ours run before any that could write into it.
void Scheduler::State::extend_chain(SequenceState& sequence) {
  if (!limits.prefix_cache || sequence.chain_broken) return;
  while ((sequence.cached_blocks + 1) * kBlockTokens <= sequence.computed) {
    int32_t& own = sequence.blocks[static_cast<size_t>(sequence.cached_blocks)];
    const auto end =
        cache.add(sequence.cached, sequence.rows_of_block(sequence.cached_blocks), own);
    sequence.chain_broken = !end.has_value();
    if (sequence.chain_broken) return;
    if (end->block != own) {
      cache.share(end->block);
      cache.release(own);
      own = end->block;
    }
    sequence.cached = *end;
    ++sequence.cached_blocks;
  }
}

// The first token of a choice makes it a sequence of its own, with the prompt's blocks.
void Scheduler::State::accept(RequestState& request, SequenceState& from, int choice,
                              int32_t token) {
  if (from.choice == choice) return accept(from, token);
  if (std::erase(request.unborn, choice) == 0) {
    for (const auto& sequence : request.sequences)
      if (sequence->choice == choice) accept(*sequence, token);
    return;
  }
  request.sequences.push_back(std::make_unique<SequenceState>(SequenceState{
      .request = &request, .choice = choice, .charged = from.charged, .life = ++last_life}));
  SequenceState& born = *request.sequences.back();
  if (!from.running()) {  // put back meanwhile: all that came of it is the token
    born.put_back = true;
    enter_queue(born);
  } else {
    born.blocks = from.blocks;
    for (const int32_t block : born.blocks) cache.share(block);
    born.computed = born.planned = request.prompt_rows();
    born.cached = from.cached;
    born.cached_blocks = from.cached_blocks;
    born.chain_broken = from.chain_broken;
    born.phase = SequencePhase::kLastRows;
    running.push_back(&born);
  }
  accept(born, token);
}

void Scheduler::State::accept(SequenceState& sequence, int32_t token) {
  sequence.made.push_back(token);
  if (sequence.owing()) ++pending_rows;
  if (static_cast<int64_t>(sequence.made.size()) >= sequence.request->asked.max_new_tokens)
    return retire(sequence);
  if (sequence.owing()) return;
  if (sequence.phase == SequencePhase::kLastRows) {
    sequence.phase = SequencePhase::kDecoding;
    ++decoding;
  }
  ready.push_back(&sequence);
}

void Scheduler::State::end_choice(RequestState& request, int choice) {
  SequenceState& first = *request.sequences.front();
  if (request.unborn.empty() || first.choice != choice) {
    if (std::erase(request.unborn, choice) > 0) {
      if (first.running()) --slots;
      return;
    }
    const auto it = std::ranges::find(request.sequences, choice,
                                      [](const auto& sequence) { return sequence->choice; });
    if (it == request.sequences.end()) return;
    if (request.sequences.size() == 1) return end_request(request);
    stop_running(**it, SequencePhase::kOver);
    forget_in_flight(**it);
    request.sequences.erase(it);
    return;
  }
  // It computes the prompt for the others too: the next of them goes on with it.
  if (first.running()) --slots;
  first.choice = request.unborn.front();
  request.unborn.erase(request.unborn.begin());
}

void Scheduler::State::end_request(RequestState& request) {
  for (const auto& sequence : request.sequences) {
    stop_running(*sequence, SequencePhase::kOver);
    forget_in_flight(*sequence);
  }
  if (!request.started) queue_rate.left(now_s());
  if (request.user != nullptr) fair.leave(request.user);  // null: there was no memory to enter
  deadlines.erase({request.asked.deadline_s, request.asked.id});
  requests.erase(request.asked.id);
}

}  // namespace tessera
