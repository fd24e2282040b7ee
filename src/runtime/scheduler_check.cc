#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/scheduler_state.h"

namespace tessera {
namespace {

std::string name_of(const SequenceState& sequence) {
  return fmt::format("request {} choice {}", sequence.request->asked.id, sequence.choice);
}

// One sequence by itself.
void check_sequence(const SequenceState& sequence, const SchedulerLimits& limits,
                    std::vector<std::string>& found) {
  const auto say = [&](std::string what) {
    found.push_back(fmt::format("{}: {}", name_of(sequence), what));
  };
  const int64_t length = sequence.length();
  if (sequence.computed < 0 || sequence.computed > sequence.planned || sequence.planned > length)
    say(fmt::format("{} rows computed, {} planned, of {}", sequence.computed, sequence.planned,
                    length));
  if (static_cast<int64_t>(sequence.blocks.size()) != blocks_of_rows(sequence.planned))
    say(fmt::format("{} blocks for {} rows", sequence.blocks.size(), sequence.planned));
  if (!sequence.running() && sequence.planned > 0) say("holds rows but does not run");
  const std::set<int32_t> once(sequence.blocks.begin(), sequence.blocks.end());
  if (once.size() != sequence.blocks.size()) say("a block twice");
  if (sequence.cached_blocks * kBlockTokens > sequence.computed)
    say(fmt::format("{} blocks cached of {} rows", sequence.cached_blocks, sequence.computed));
  if (length > limits.context) say(fmt::format("{} tokens", length));
  if (static_cast<int64_t>(sequence.made.size()) > sequence.request->asked.max_new_tokens)
    say(fmt::format("{} new tokens", sequence.made.size()));
  switch (sequence.phase) {
    case SequencePhase::kPrompt:
      if (sequence.planned >= length) say("owes no row of its prompt");
      break;
    case SequencePhase::kLastRows:
      if (sequence.planned != length || sequence.in_flight == 0) say("its token is not on the way");
      break;
    case SequencePhase::kDecoding:
      if (sequence.planned != length - (sequence.in_flight > 0 ? 0 : 1) || sequence.in_flight > 1)
        say(fmt::format("decodes at {} of {} rows, {} steps in flight", sequence.planned, length,
                        sequence.in_flight));
      break;
    case SequencePhase::kWaiting:
    case SequencePhase::kOver:
      break;
  }
}

}  // namespace

std::vector<std::string> Scheduler::violations() const {
  const State& s = *state_;
  std::vector<std::string> found = s.cache.violations();
  const auto same = [&](const char* what, int64_t counted, int64_t is) {
    if (counted != is) found.push_back(fmt::format("{}: {}, should be {}", what, counted, is));
  };

  std::vector<int32_t> references(static_cast<size_t>(s.pool.capacity()), 0);
  std::map<const SequenceState*, int> in_flight;
  for (const StepInFlight& step : s.in_flight)
    for (const PartInFlight& part : step.parts)
      if (part.sequence != nullptr) ++in_flight[part.sequence];

  int64_t running = 0, slots = 0, decoding = 0, ready = 0, put_back = 0, pending_rows = 0;
  for (const auto& [id, request] : s.requests) {
    if (request->sequences.empty()) found.push_back(fmt::format("request {} has no choice", id));
    if (request->sequences.size() > 1 && !request->unborn.empty() &&
        request->sequences.front()->running())
      found.push_back(fmt::format("request {}: some choices were not born with others", id));
    for (const auto& owned : request->sequences) {
      const SequenceState& sequence = *owned;
      check_sequence(sequence, s.limits, found);
      for (const int32_t block : sequence.blocks) ++references[static_cast<size_t>(block)];
      running += sequence.running() ? 1 : 0;
      slots += sequence.running() ? s.slots_of(sequence) : 0;
      put_back += sequence.put_back ? 1 : 0;
      if (sequence.owing()) pending_rows += sequence.length() - sequence.planned;
      if (sequence.phase == SequencePhase::kDecoding) {
        ++decoding;
        ready += sequence.in_flight == 0 ? 1 : 0;
      }
      same(fmt::format("{}: steps in flight", name_of(sequence)).c_str(), sequence.in_flight,
           in_flight[&sequence]);
      // What it writes next must be its own, or be copied first.
      for (int64_t b = sequence.computed / kBlockTokens;
           b < static_cast<int64_t>(sequence.blocks.size()); ++b) {
        const int32_t block = sequence.blocks[static_cast<size_t>(b)];
        const bool decodes = sequence.phase == SequencePhase::kDecoding && sequence.in_flight == 0;
        if (s.pool.references(block) > 1 && !decodes)
          found.push_back(fmt::format("{} writes into shared block {}", name_of(sequence), block));
        if (s.cache.knows(block))
          found.push_back(fmt::format("{} writes into cached block {}", name_of(sequence), block));
      }
    }
  }
  same("running sequences", static_cast<int64_t>(s.running.size()), running);
  same("running choices", s.slots, slots);
  same("decoding sequences", s.decoding, decoding);
  same("sequences that may decode", static_cast<int64_t>(s.ready.size()), ready);
  same("sequences put back", static_cast<int64_t>(s.put_back.size()), put_back);
  same("rows to be computed", s.pending_rows, pending_rows);
  if (s.slots > s.limits.running) found.push_back(fmt::format("{} choices run", s.slots));
  if (static_cast<int>(s.in_flight.size()) > s.limits.in_flight)
    found.push_back(fmt::format("{} steps in flight", s.in_flight.size()));

  int64_t used = 0;
  for (size_t block = 0; block < references.size(); ++block) {
    const auto id = static_cast<int32_t>(block);
    const int32_t cached = s.cache.knows(id) ? 1 : 0;
    used += references[block] > 0 ? 1 : 0;
    same(fmt::format("references of block {}", block).c_str(), s.pool.references(id),
         references[block] + cached);
  }
  same("free, used and cached blocks", s.pool.free_blocks() + used + s.cache.idle(),
       s.pool.capacity());
  same("blocks used", blocks_used(), used);
  return found;
}

}  // namespace tessera
