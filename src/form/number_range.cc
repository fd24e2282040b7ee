#include "form/number_range.h"

#include <map>
#include <utility>

#include "form/determinise.h"
#include "form/form_limits.h"
#include "tessera/error.h"

namespace tessera {
namespace {

Automaton automaton_of(const WriteTexts& write, const std::string& place) {
  Grammar alone;
  JsonGrammar parts(alone);
  alone.root = alone.add_rule(false, place, [&](uint32_t at) { return write(parts, at); });
  return determinise(alone);
}

using States = std::vector<uint32_t>;  // one of each automaton

// Where the byte leads; empty when one of them does not go along.
States advance(const std::vector<Automaton>& automata, const States& from, uint8_t byte) {
  States to;
  for (size_t i = 0; i < automata.size(); ++i) {
    const Automaton& automaton = automata[i];
    const uint32_t next =
        automaton.next[size_t{from[i]} * automaton.kinds + automaton.kind_of[byte]];
    if (next == Automaton::kNone) return {};
    to.push_back(next);
  }
  return to;
}

bool all_end(const std::vector<Automaton>& automata, const States& states) {
  for (size_t i = 0; i < automata.size(); ++i)
    if (!automata[i].ends[states[i]]) return false;
  return true;
}

// -?digits that give no rest.
uint32_t write_multiples(Nfa& nfa, uint32_t from, int of) {
  std::vector<uint32_t> rests;
  for (int rest = 0; rest < of; ++rest) rests.push_back(nfa.node());
  const uint32_t first = nfa.node(), end = nfa.node();
  nfa.empty(from, first);
  nfa.empty(nfa.byte(from, '-'), first);
  for (int digit = 0; digit < 10; ++digit) {
    const auto byte = static_cast<uint8_t>('0' + digit);
    nfa.bytes(first, byte, byte, rests[digit % of]);
    for (int rest = 0; rest < of; ++rest)
      nfa.bytes(rests[rest], byte, byte, rests[(rest * 10 + digit) % of]);
  }
  nfa.empty(rests[0], end);
  return end;
}

}  // namespace

uint32_t write_intersection(JsonGrammar& grammar, uint32_t from,
                            const std::vector<WriteTexts>& languages, const std::string& place) {
  if (languages.size() == 1) return languages[0](grammar, from);
  std::vector<Automaton> automata;
  States start;
  for (const WriteTexts& write : languages) {
    automata.push_back(automaton_of(write, place));
    start.push_back(automata.back().start);
  }
  Nfa& nfa = grammar.nfa();
  const uint32_t end = nfa.node(), first = nfa.node();
  nfa.empty(from, first);
  std::map<States, uint32_t> node_of = {{start, first}};
  std::vector<States> open = {start};
  bool any = false;
  while (!open.empty()) {
    const States states = std::move(open.back());
    open.pop_back();
    const uint32_t node = node_of.at(states);
    if (all_end(automata, states)) {
      nfa.empty(node, end);
      any = true;
    }
    for (int low = 0, byte = 0; byte < 256; low = byte) {
      const States to = advance(automata, states, static_cast<uint8_t>(low));
      for (byte = low + 1; byte < 256; ++byte)
        if (advance(automata, states, static_cast<uint8_t>(byte)) != to) break;
      if (to.empty()) continue;
      const auto [it, added] = node_of.try_emplace(to, 0);
      if (added) {
        it->second = nfa.node();
        open.push_back(to);
      }
      nfa.bytes(node, static_cast<uint8_t>(low), static_cast<uint8_t>(byte - 1), it->second);
    }
  }
  if (!any) refuse_form(place, "something that fits", "limits that nothing fits");
  return end;
}

uint32_t write_number_range(JsonGrammar& grammar, uint32_t from, const NumberRange& range,
                            const std::string& place) {
  std::vector<WriteTexts> languages = {[&](JsonGrammar& parts, uint32_t at) {
    return range.integer ? parts.integer_text(at) : parts.decimal_text(at);
  }};
  if (range.least)
    languages.push_back([&](JsonGrammar& parts, uint32_t at) {
      return write_at_least(parts.nfa(), at, *range.least, range.above);
    });
  if (range.most)
    languages.push_back([&](JsonGrammar& parts, uint32_t at) {
      return write_at_most(parts.nfa(), at, *range.most, range.below);
    });
  if (range.multiple_of > 1)
    languages.push_back([&](JsonGrammar& parts, uint32_t at) {
      return write_multiples(parts.nfa(), at, range.multiple_of);
    });
  return write_intersection(grammar, from, languages, place);
}

}  // namespace tessera
