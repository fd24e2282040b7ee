#include <algorithm>
#include <cassert>

#include "base/clock.h"
#include "runtime/prefill_budget.h"
#include "runtime/scheduler_state.h"

namespace tessera {

std::optional<Step> Scheduler::plan() {
  State& s = *state_;
  if (static_cast<int>(s.in_flight.size()) >= s.most_in_flight()) return std::nullopt;
  Step step;
  step.id = s.last_step + 1;
  step.numbers.reserve(s.last_numbers + 64);
  s.in_flight.push_back({.id = step.id});

  std::vector<SequenceState*> decodes;
  bool again = true;
  while (again) {  // where all of those picked were put back, others have room now
    const uint64_t before = s.preemptions;
    decodes = s.pick_decodes();
    s.reserve_decodes(decodes);
    again = decodes.empty() && s.preemptions > before;
  }
  // They are still the first of those that are ready: whoever was put back is gone from both.
  s.ready.erase(s.ready.begin(), s.ready.begin() + static_cast<std::ptrdiff_t>(decodes.size()));
  for (SequenceState* sequence : decodes) s.plan_decode(*sequence, step);
  s.plan_prompts(step);

  if (step.parts.empty()) {
    s.in_flight.pop_back();
    return std::nullopt;
  }
  s.show_numbers(step);
  s.last_step = step.id;
  s.last_numbers = step.numbers.size();
  return step;
}

// Where sequences decode, one slot stays free on a single stage: a second step would only delay the
// first one's tokens, and read the weights once more.
int Scheduler::State::most_in_flight() const {
  if (decoding == 0) return limits.in_flight;
  return std::min(limits.in_flight, std::max(limits.decode_groups, limits.in_flight - 1));
}

// An even share of the decoding sequences, rotated so that all are served when it is not whole:
// the shares of all groups add up. Fewer than the smaller share wait for those in flight.
// Source: gLLM (Guo et al., SC 2025).
std::vector<SequenceState*> Scheduler::State::pick_decodes() {
  const int groups = std::max(limits.decode_groups, 1);
  const auto waiting = static_cast<int64_t>(ready.size());
  if (waiting == 0 || waiting < std::min(decoding / groups, limits.rows)) return {};
  const int64_t share = std::max<int64_t>((decoding + turn) / groups, 1);
  turn = (turn + 1) % groups;
  const int64_t count = std::min({share, waiting, limits.rows});
  return {ready.begin(), ready.begin() + count};
}

int64_t Scheduler::State::blocks_for(const std::vector<SequenceState*>& picks) const {
  int64_t blocks = 0;
  std::vector<std::pair<int32_t, int32_t>> copied;  // shared block, copies
  for (const SequenceState* sequence : picks) {
    if (blocks_of_rows(sequence->planned + 1) > static_cast<int64_t>(sequence->blocks.size())) {
      ++blocks;
      continue;
    }
    const int32_t tail = sequence->blocks.back();
    if (pool.references(tail) == 1) continue;
    auto it = std::ranges::find(copied, tail, &std::pair<int32_t, int32_t>::first);
    if (it == copied.end()) it = copied.insert(it, {tail, 0});
    if (++it->second < pool.references(tail)) ++blocks;  // the last one writes in place
  }
  return blocks;
}

void Scheduler::State::reserve_decodes(std::vector<SequenceState*>& picks) {
  while (blocks_for(picks) > cache.available()) {
    SequenceState* victim = youngest();
    preempt(*victim);
    std::erase(picks, victim);
  }
}

void Scheduler::State::plan_decode(SequenceState& sequence, Step& step) {
  if (blocks_of_rows(sequence.planned + 1) > static_cast<int64_t>(sequence.blocks.size())) {
    sequence.blocks.push_back(*cache.take());
  } else if (int32_t& tail = sequence.blocks.back(); pool.references(tail) > 1) {
    const int32_t own = *cache.take();
    step.copies.push_back({.from = tail, .to = own});
    cache.release(tail);
    tail = own;
  }
  add_part(sequence, 1, true, step);
  ++step.decode_rows;
}

// Somebody waits for the next token, or will when the rows in flight are back.
bool Scheduler::State::answering() const {
  return decoding > 0 || std::ranges::any_of(running, [](const SequenceState* sequence) {
           return sequence->phase == SequencePhase::kLastRows;
         });
}

// Those put back first: they are older than whoever would take their place.
void Scheduler::State::plan_prompts(Step& step) {
  admitting = true;
  int64_t left =
      std::min(prefill_budget({.rows = limits.rows,
                               .decoding = answering(),
                               .waiting_rows = pending_rows,
                               .rows_in_time = cost.prompt_rows(step.decode_rows, kLongestStep),
                               .free_blocks = cache.available(),
                               .blocks = pool.capacity()}),
               limits.rows - step.decode_rows);
  for (size_t i = 0; i < put_back.size() && left > 0;) {
    SequenceState& sequence = *put_back[i];
    left -= plan_chunk(sequence, left, step);
    if (i < put_back.size() && put_back[i] == &sequence) ++i;
  }
  fair.begin_round();
  while (left > 0) {
    const auto id = fair.next();
    if (!id.has_value()) break;
    SequenceState& sequence = *find(*id)->sequences.front();
    left -= plan_chunk(sequence, left, step);
    if (sequence.owing()) fair.pass_over(sequence.request->user);
  }
}

// The rows planned, 0 when it must wait.
int64_t Scheduler::State::plan_chunk(SequenceState& sequence, int64_t most, Step& step) {
  if (!sequence.running() && !admit(sequence)) return 0;
  const int64_t held = static_cast<int64_t>(sequence.blocks.size()) + cache.available();
  const int64_t room = held * kBlockTokens - sequence.planned;
  const int64_t ready_now = ready_rows(sequence);
  const int64_t count = std::min({most, ready_now, room});
  if (count <= 0) return 0;

  RequestState& request = *sequence.request;
  if (!request.started) {
    request.started = true;
    queue_rate.left(now_s());
  }
  while (static_cast<int64_t>(sequence.blocks.size()) < blocks_of_rows(sequence.planned + count))
    sequence.blocks.push_back(*cache.take());
  pending_rows -= count;
  const bool last = sequence.planned + count == sequence.length();
  if (last) {
    leave_queue(sequence);
    sequence.phase = SequencePhase::kLastRows;
  }
  add_part(sequence, count, last, step);
  step.prefill_rows += count;
  return count;
}

// Only with room for all of its prompt, so that running prompts never block each other, beside what
// running prompts still need and a block for each that decodes: who starts should not be put back
// soon.
bool Scheduler::State::admit(SequenceState& sequence) {
  RequestState& request = *sequence.request;
  if (request.awaits_picture) return false;
  if (!admitting) return false;
  admitting = false;  // who comes later must not take what this one waits for
  if (sequence.in_flight > 0) return false;  // its next token is on the way
  if (slots + slots_of(sequence) > limits.running) return false;

  int64_t promised = decoding;
  for (const SequenceState* other : running)
    if (other->owing())
      promised += blocks_of_rows(other->length()) - static_cast<int64_t>(other->blocks.size());
  const bool alone = running.empty();
  if (!alone && request.needed_blocks > cache.available() - promised) return false;

  adopt_prefix(sequence);
  request.needed_blocks =
      blocks_of_rows(sequence.length()) - static_cast<int64_t>(sequence.blocks.size());
  const bool fits = alone || request.needed_blocks <= cache.available() - promised;
  const bool has_rows = ready_rows(sequence) > 0;
  if (!fits || !has_rows) {
    admitting = !has_rows;
    pending_rows += sequence.planned;
    give_back_blocks(sequence);
    return false;
  }
  admitting = true;
  request.needed_blocks = 0;
  if (!request.started) request.cached_rows = sequence.planned;
  sequence.phase = SequencePhase::kPrompt;
  running.push_back(&sequence);
  slots += slots_of(sequence);
  return true;
}

// Rows that may be planned now. A few rows before a picture wait for it: alone they would cost as
// much as a whole step.
int64_t Scheduler::State::ready_rows(SequenceState& sequence) {
  RequestState& request = *sequence.request;
  int64_t end = sequence.length();
  for (const PromptPicture& picture : request.asked.pictures) {
    if (picture.first_row + picture.rows <= std::max(sequence.planned, request.ready_rows))
      continue;
    end = std::max(request.ready_rows, picture.first_row);
    break;
  }
  const int64_t rows = end - sequence.planned;
  request.awaits_picture = end < sequence.length() && rows < std::max<int64_t>(limits.rows / 4, 1);
  return request.awaits_picture ? 0 : rows;
}

// With `draws`, of its next token, and of those who come from it.
void Scheduler::State::add_part(SequenceState& sequence, int64_t count, bool draws, Step& step) {
  step.parts.push_back({.sequence = sequence.key(), .first = sequence.planned, .count = count});
  PartInFlight& part = in_flight.back().parts.emplace_back(
      PartInFlight{.sequence = &sequence,
                   .life = sequence.life,
                   .first = sequence.planned,
                   .count = count,
                   .blocks = sequence.blocks.size(),
                   .draws = draws ? static_cast<size_t>(slots_of(sequence)) : 0});
  std::vector<int32_t>& to = step.numbers;
  for (int64_t row = 0; row < count; ++row) to.push_back(sequence.id_at(part.first + row));
  to.insert(to.end(), sequence.blocks.begin(), sequence.blocks.end());
  if (draws) {
    const std::vector<int>& unborn = sequence.request->unborn;
    to.push_back(sequence.choice);
    to.insert(to.end(), unborn.begin(), unborn.end());
  }
  ++sequence.in_flight;
  sequence.planned += count;
  if (sequence.planned > sequence.charged) {
    fair.charge(sequence.request->user, sequence.planned - sequence.charged);
    sequence.charged = sequence.planned;
  }
}

// Once the numbers stay where they are.
void Scheduler::State::show_numbers(Step& step) const {
  std::span<const int32_t> left = step.numbers;
  const auto next = [&](size_t count) {
    const auto numbers = left.first(count);
    left = left.subspan(count);
    return numbers;
  };
  for (size_t i = 0; i < step.parts.size(); ++i) {
    const PartInFlight& sizes = in_flight.back().parts[i];
    step.parts[i].ids = next(static_cast<size_t>(sizes.count));
    step.parts[i].blocks = next(sizes.blocks);
    step.parts[i].draws = next(sizes.draws);
  }
}

}  // namespace tessera
