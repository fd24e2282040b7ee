#include "form/form_heights.h"

#include <algorithm>
#include <span>

#include "form/form_limits.h"

namespace tessera {
namespace {

// Lowers heights until nothing changes: each state's at most kMaxFormLevels times.
class Heights {
 public:
  Heights(const Automaton& automaton, const std::bitset<256>& bytes)
      : automaton_(automaton), heights_(automaton.states(), kNoHeight) {
    std::vector<bool> usable(automaton.kinds);
    for (int byte = 0; byte < 256; ++byte)
      if (bytes[byte]) usable[automaton.kind_of[byte]] = true;
    read_steps(usable);
  }

  std::vector<uint16_t> run() {
    for (uint32_t state = 0; state < automaton_.states(); ++state)
      if (automaton_.ends[state]) lower(state, 0);
    for (size_t i = 0; i < changed_.size(); ++i) {  // grows on the way
      const uint32_t state = changed_[i];
      waiting_[state] = false;
      for (const uint32_t from : states_before_.at(state)) lower(from, heights_[state]);
      for (const uint32_t call : calls_near_.at(state))
        for (const uint32_t from : states_calling_.at(call)) lower(from, height_of(call));
    }
    return std::move(heights_);
  }

 private:
  // Lists of numbers, one list for each of so many.
  struct Lists {
    std::vector<uint32_t> begins, items;
    std::span<const uint32_t> at(uint32_t i) const {
      return std::span(items).subspan(begins[i], begins[i + 1] - begins[i]);
    }
  };
  using Pairs = std::vector<std::pair<uint32_t, uint32_t>>;  // list, item

  static Lists lists_of(Pairs& pairs, size_t count) {
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    Lists lists;
    lists.begins.resize(count + 1);
    for (const auto& [list, item] : pairs) {
      ++lists.begins[list + 1];
      lists.items.push_back(item);
    }
    for (size_t i = 0; i < count; ++i) lists.begins[i + 1] += lists.begins[i];
    return lists;
  }

  void read_steps(const std::vector<bool>& usable) {
    Pairs before, calling, near;
    for (uint32_t state = 0; state < automaton_.states(); ++state) {
      const uint32_t* row = &automaton_.next[size_t{state} * automaton_.kinds];
      uint32_t last = Automaton::kNone;
      for (uint32_t kind = 0; kind < automaton_.kinds; ++kind) {
        if (row[kind] == Automaton::kNone || row[kind] == last || !usable[kind]) continue;
        last = row[kind];
        if (last & Automaton::kCall)
          calling.emplace_back(last & ~Automaton::kCall, state);
        else
          before.emplace_back(last, state);
      }
    }
    for (uint32_t call = 0; call < automaton_.calls.size(); ++call) {
      near.emplace_back(automaton_.calls[call].start, call);
      near.emplace_back(automaton_.calls[call].after, call);
    }
    states_before_ = lists_of(before, automaton_.states());
    states_calling_ = lists_of(calling, automaton_.calls.size());
    calls_near_ = lists_of(near, automaton_.states());
    waiting_.resize(automaton_.states());
  }

  uint16_t height_of(uint32_t index) const {
    const Automaton::Call& call = automaton_.calls[index];
    return static_cast<uint16_t>(
        std::max<uint32_t>(call.levels + heights_[call.start], heights_[call.after]));
  }

  void lower(uint32_t state, uint16_t height) {
    if (height > kMaxFormLevels || height >= heights_[state]) return;
    heights_[state] = height;
    if (!waiting_[state]) changed_.push_back(state);
    waiting_[state] = true;
  }

  const Automaton& automaton_;
  std::vector<uint16_t> heights_;
  Lists states_before_, states_calling_, calls_near_;
  std::vector<uint32_t> changed_;
  std::vector<bool> waiting_;
};

}  // namespace

std::vector<uint16_t> heights_of(const Automaton& automaton, const std::bitset<256>& bytes) {
  return Heights(automaton, bytes).run();
}

void prune(Automaton& automaton) {
  automaton.heights = heights_of(automaton, std::bitset<256>().set());
  const auto& heights = automaton.heights;
  if (heights[automaton.start] == kNoHeight)
    refuse_form("form", "one that some answer fits",
                "none that ends within the levels of nesting there are");
  automaton.over.resize(automaton.states());
  for (uint32_t state = 0; state < automaton.states(); ++state) {
    bool leads_on = false;
    for (uint32_t kind = 0; kind < automaton.kinds; ++kind) {
      uint32_t& next = automaton.next[size_t{state} * automaton.kinds + kind];
      if (next == Automaton::kNone) continue;
      bool lives = false;
      if (next & Automaton::kCall) {
        const Automaton::Call& call = automaton.calls[next & ~Automaton::kCall];
        lives = heights[call.start] != kNoHeight && heights[call.after] != kNoHeight;
      } else {
        lives = heights[next] != kNoHeight;
      }
      if (!lives) next = Automaton::kNone;
      leads_on = leads_on || lives;
    }
    automaton.over[state] = automaton.ends[state] && !leads_on;
  }
}

}  // namespace tessera
