#include "form/determinise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include "form/form_heights.h"
#include "form/form_limits.h"

namespace tessera {
namespace {

using NodeSet = std::vector<uint32_t>;  // sorted
using Bytes = std::bitset<256>;         // of spans: see ByteSpans

struct HashNodes {
  size_t operator()(const NodeSet& set) const {
    size_t hash = set.size();
    for (const uint32_t node : set) hash = (hash ^ node) * 0x9E3779B97F4A7C15ULL + (hash >> 29);
    return hash;
  }
};

// Stretches of neighbouring bytes that no edge tells apart.
struct ByteSpans {
  explicit ByteSpans(const Nfa& nfa) {
    Bytes begins;
    begins.set(0);
    for (uint32_t node = 0; node < nfa.nodes(); ++node) {
      nfa.edges_of(node, [&](const NfaEdge& edge) {
        if (edge.kind != NfaEdge::Kind::kBytes) return;
        begins.set(edge.low);
        if (edge.high < 255) begins.set(edge.high + 1);
      });
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (begins[byte]) ++count;
      of[byte] = static_cast<uint8_t>(count - 1);
    }
  }
  std::array<uint8_t, 256> of{};
  uint32_t count = 0;
};

class Determiniser {
 public:
  explicit Determiniser(Grammar& grammar)
      : grammar_(grammar), spans_(grammar.nfa), firsts_(grammar.rules.size()) {
    is_end_.resize(grammar.nfa.nodes());
    for (const Grammar::Rule& rule : grammar.rules) is_end_[rule.end] = true;
    targets_.resize(spans_.count);
  }

  Automaton run() {
    out_.start = start_of(grammar_.root);
    for (uint32_t state = 0; state < sets_.size(); ++state) write_row(state);
    check_ends();
    compress();
    return std::move(out_);
  }

 private:
  void spend(size_t work) {
    if ((work_ += work) > kMaxCompileWork)
      refuse_large_form("size", "a form that can be compiled in a second");
  }

  // All nodes that can be reached for nothing, without those that only lead on.
  NodeSet closure(NodeSet from) {
    seen_.resize(grammar_.nfa.nodes());
    if (++stamp_ == 0) throw std::logic_error("stamps of the closure ran out");
    NodeSet out;
    std::erase_if(from,
                  [&](uint32_t node) { return std::exchange(seen_[node], stamp_) == stamp_; });
    while (!from.empty()) {
      const uint32_t node = from.back();
      from.pop_back();
      bool kept = node < is_end_.size() && is_end_[node];
      size_t edges = 1;
      grammar_.nfa.edges_of(node, [&](const NfaEdge& edge) {
        ++edges;
        if (edge.kind != NfaEdge::Kind::kEmpty) {
          kept = true;
        } else if (seen_[edge.to] != stamp_) {
          seen_[edge.to] = stamp_;
          from.push_back(edge.to);
        }
      });
      spend(edges);
      if (kept) out.push_back(node);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  // What a text of the rule can begin with.
  const Bytes& first_of(uint32_t rule) {
    First& first = firsts_[rule];
    if (first.state == First::kDone) return first.bytes;
    const std::string& place = grammar_.rules[rule].place;
    if (first.state == First::kOpen)
      refuse_form(place, "a value of its own", "a $ref that leads back to itself");
    if (++open_firsts_ > kMaxFormLevels + 2)
      refuse_large_form(place, fmt::format("at most {} levels", kMaxFormLevels));
    first.state = First::kOpen;
    Bytes bytes;
    for (const uint32_t node : closure({grammar_.rules[rule].start})) {
      if (node == grammar_.rules[rule].end) throw std::logic_error("a rule with an empty text");
      grammar_.nfa.edges_of(node, [&](const NfaEdge& edge) {
        if (edge.kind == NfaEdge::Kind::kBytes)
          for (int span = spans_.of[edge.low]; span <= spans_.of[edge.high]; ++span)
            bytes.set(span);
        else if (edge.kind == NfaEdge::Kind::kCall)
          bytes |= first_of(edge.rule);
      });
    }
    --open_firsts_;
    firsts_[rule] = {First::kDone, bytes};
    return firsts_[rule].bytes;
  }

  uint32_t state_of(NodeSet set) {
    const auto [it, added] = state_of_.try_emplace(std::move(set), 0);
    if (added) {
      it->second = static_cast<uint32_t>(sets_.size());
      sets_.push_back(&it->first);  // stays where it is
      if (sets_.size() * spans_.count > kMaxStateCells)
        refuse_large_form("size", fmt::format("at most {} states", kMaxStateCells / spans_.count));
    }
    return it->second;
  }

  uint32_t start_of(uint32_t rule) {
    const auto [it, added] = starts_.try_emplace(rule, 0);
    if (added) it->second = state_of(closure({grammar_.rules[rule].start}));
    return it->second;
  }

  // A copy of the rule, from whose end it goes on at `after`. The start of the copy.
  uint32_t inlined(uint32_t rule, uint32_t after) {
    const auto [it, added] = copies_.try_emplace({rule, after}, 0);
    if (added) {
      const Grammar::Rule& source = grammar_.rules[rule];
      nodes_copied_ += source.last - source.first;
      if (nodes_copied_ > kMaxNfaNodes / 4)
        refuse_form(source.place, "branches that differ within a few parts",
                    "some that may be alike for ever");
      const uint32_t shift = grammar_.nfa.copy(source.first, source.last);
      grammar_.nfa.empty(source.end + shift, after);
      it->second = source.start + shift;
    }
    return it->second;
  }

  using Calls = std::map<uint32_t, NodeSet>;  // rule -> where it goes on

  // Of the set, with rules copied in where two of them could begin with the same byte.
  Calls calls_of(NodeSet& set) {
    std::map<std::pair<uint32_t, uint32_t>, bool> copied;  // calls that are now part of the set
    for (;;) {
      Calls calls;
      Bytes bytes;
      for (const uint32_t node : set) {
        grammar_.nfa.edges_of(node, [&](const NfaEdge& edge) {
          if (edge.kind == NfaEdge::Kind::kBytes)
            for (int span = spans_.of[edge.low]; span <= spans_.of[edge.high]; ++span)
              bytes.set(span);
          else if (edge.kind == NfaEdge::Kind::kCall && !copied.contains({edge.rule, edge.to}))
            calls[edge.rule].push_back(edge.to);
        });
      }
      NodeSet more;
      for (const auto& [rule, afters] : calls) {
        Bytes others = bytes;
        for (const auto& [other, unused] : calls)
          if (other != rule) others |= first_of(other);
        spend(calls.size());
        if ((others & first_of(rule)).none()) continue;
        for (const uint32_t after : afters) {
          if (copied.try_emplace({rule, after}, true).second) more.push_back(inlined(rule, after));
        }
      }
      if (more.empty()) return calls;
      more.insert(more.end(), set.begin(), set.end());
      set = closure(std::move(more));
    }
  }

  void write_row(uint32_t state) {
    NodeSet set = *sets_[state];
    out_.ends.push_back(std::any_of(set.begin(), set.end(), [&](uint32_t node) {
      return node < is_end_.size() && is_end_[node];
    }));
    const Calls calls = calls_of(set);
    for (NodeSet& targets : targets_) targets.clear();
    for (const uint32_t node : set) {
      grammar_.nfa.edges_of(node, [&](const NfaEdge& edge) {
        if (edge.kind != NfaEdge::Kind::kBytes) return;
        for (int span = spans_.of[edge.low]; span <= spans_.of[edge.high]; ++span)
          targets_[span].push_back(edge.to);
        spend(1 + spans_.of[edge.high] - spans_.of[edge.low]);
      });
    }
    const size_t row = out_.next.size();
    out_.next.resize(row + spans_.count, Automaton::kNone);
    for (uint32_t span = 0; span < spans_.count; ++span) {
      if (targets_[span].empty()) continue;
      out_.next[row + span] = span > 0 && targets_[span] == targets_[span - 1]
                                  ? out_.next[row + span - 1]
                                  : state_of(closure(targets_[span]));
    }
    for (const auto& [rule, afters] : calls) {
      const uint32_t call = call_of(rule, state_of(closure(afters)));
      const Bytes& first = first_of(rule);
      for (uint32_t span = 0; span < spans_.count; ++span)
        if (first[span]) out_.next[row + span] = Automaton::kCall | call;
    }
  }

  uint32_t call_of(uint32_t rule, uint32_t after) {
    const auto [it, added] =
        call_of_.try_emplace({rule, after}, static_cast<uint32_t>(out_.calls.size()));
    if (added) {
      out_.calls.push_back({start_of(rule), after, grammar_.rules[rule].leaf ? 0U : 1U});
      rule_of_call_.push_back(rule);
    }
    return it->second;
  }

  // The last state of a called rule may read on only what cannot follow the call.
  void check_ends() const {
    std::map<uint32_t, Bytes> reads_on;  // by the start of a rule
    for (const Automaton::Call& call : out_.calls) {
      auto [it, added] = reads_on.try_emplace(call.start);
      if (added) it->second = reads_on_from(call.start);
      if ((it->second & reads(call.after)).any())
        throw std::logic_error("a rule whose end is not to be seen");
    }
  }
  Bytes reads(uint32_t state) const {
    Bytes bytes;
    for (uint32_t span = 0; span < spans_.count; ++span)
      bytes[span] = out_.next[state * spans_.count + span] != Automaton::kNone;
    return bytes;
  }
  // Rules whose end is followed by more of the same are small: numbers, blanks.
  Bytes reads_on_from(uint32_t start) const {
    Bytes bytes;
    std::vector<uint32_t> open = {start};
    std::vector<bool> seen(sets_.size());
    seen[start] = true;
    while (!open.empty()) {
      const uint32_t state = open.back();
      open.pop_back();
      if (out_.ends[state]) bytes |= reads(state);
      for (uint32_t span = 0; span < spans_.count; ++span) {
        uint32_t next = out_.next[state * spans_.count + span];
        if (next == Automaton::kNone) continue;
        if (next & Automaton::kCall) next = out_.calls[next & ~Automaton::kCall].after;
        if (!seen[next]) open.push_back(next);
        seen[next] = true;
      }
    }
    return bytes;
  }

  // From spans of bytes to kinds of them.
  void compress() {
    const size_t states = sets_.size();
    std::map<std::vector<uint32_t>, uint8_t> kinds;
    std::vector<uint8_t> kind_of_span;
    std::vector<uint32_t> one_of_kind;
    for (uint32_t span = 0; span < spans_.count; ++span) {
      std::vector<uint32_t> column(states);
      for (size_t state = 0; state < states; ++state)
        column[state] = out_.next[state * spans_.count + span];
      const auto [it, added] =
          kinds.try_emplace(std::move(column), static_cast<uint8_t>(kinds.size()));
      if (added) one_of_kind.push_back(span);
      kind_of_span.push_back(it->second);
    }
    std::vector<uint32_t> next;
    next.reserve(states * one_of_kind.size());
    for (size_t state = 0; state < states; ++state)
      for (const uint32_t span : one_of_kind)
        next.push_back(out_.next[state * spans_.count + span]);
    for (int byte = 0; byte < 256; ++byte) out_.kind_of[byte] = kind_of_span[spans_.of[byte]];
    out_.kinds = static_cast<uint32_t>(one_of_kind.size());
    out_.next = std::move(next);
  }

  struct First {
    enum State { kUnknown, kOpen, kDone } state = kUnknown;
    Bytes bytes = {};
  };

  Grammar& grammar_;
  const ByteSpans spans_;
  std::vector<First> firsts_;
  std::vector<bool> is_end_;          // [nodes without copies]
  std::vector<uint32_t> seen_;        // [nodes] stamp of the closure that saw it
  std::vector<const NodeSet*> sets_;  // [states]
  std::vector<NodeSet> targets_;      // [spans] of the state in work
  std::vector<uint32_t> rule_of_call_;
  std::unordered_map<NodeSet, uint32_t, HashNodes> state_of_;
  std::map<uint32_t, uint32_t> starts_;  // rule -> state
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> copies_, call_of_;
  Automaton out_;
  size_t work_ = 0;
  uint32_t stamp_ = 0;
  size_t nodes_copied_ = 0;
  int open_firsts_ = 0;
};

}  // namespace

Automaton determinise(Grammar& grammar) {
  Automaton automaton = Determiniser(grammar).run();
  prune(automaton);
  return automaton;
}

}  // namespace tessera
