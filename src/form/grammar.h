#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "form/nfa.h"

namespace tessera {

/// Rules over one NFA: each the texts that lead from its start to its end, where a call stands for
/// any text of the called rule. No rule but the root has the empty text.
struct Grammar {
  struct Rule {
    /// Its nodes are first .. last - 1, and no edge leaves them; start and end are of them.
    uint32_t first = 0, last = 0, start = 0, end = 0;
    /// Calls leaves only, and these no others: it does not count as a level of nesting.
    bool leaf = false;
    std::string place = {};  ///< in the form, for errors
  };

  Nfa nfa;
  std::vector<Rule> rules;
  uint32_t root = 0;

  /// A rule whose body write(start) adds and returns the end of. Rules are written one after the
  /// other, never one within another.
  template <typename Write>
  uint32_t add_rule(bool leaf, const std::string& place, const Write& write) {
    const uint32_t index = declare_rule(leaf, place);
    write_rule(index, write);
    return index;
  }

  /// A rule that can be called before it is written.
  uint32_t declare_rule(bool leaf, const std::string& place);
  template <typename Write>
  void write_rule(uint32_t index, const Write& write) {
    const uint32_t first = nfa.node();
    const uint32_t body_end = write(first);
    const uint32_t end = nfa.node();  // its own: nothing leads on from it
    nfa.empty(body_end, end);
    Rule& rule = rules[index];
    rule.first = rule.start = first;
    rule.end = end;
    rule.last = nfa.nodes();
  }
};

}  // namespace tessera
