#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "form/code_point_set.h"

namespace tessera {

/// A step from one node to another: for nothing, for one byte of a range, or for a whole text of
/// another rule.
struct NfaEdge {
  enum class Kind : uint8_t { kEmpty, kBytes, kCall };
  Kind kind;
  uint8_t low, high;  ///< of kBytes: both in it
  uint32_t rule;      ///< of kCall
  uint32_t to;
  uint32_t next;  ///< edge of the same node; Nfa::kNoEdge: none
};

/// A nondeterministic automaton over bytes, grown node by node. Functions here that take `from`
/// return the node where the text they add ends; `from` itself may have other edges already.
class Nfa {
 public:
  static constexpr uint32_t kNoEdge = UINT32_MAX;

  /// Throws UsageError past kMaxNfaNodes.
  uint32_t node();
  void empty(uint32_t from, uint32_t to) { add(from, {NfaEdge::Kind::kEmpty, 0, 0, 0, to, 0}); }
  void bytes(uint32_t from, uint8_t low, uint8_t high, uint32_t to) {
    add(from, {NfaEdge::Kind::kBytes, low, high, 0, to, 0});
  }
  void call(uint32_t from, uint32_t rule, uint32_t to) {
    add(from, {NfaEdge::Kind::kCall, 0, 0, rule, to, 0});
  }

  uint32_t byte(uint32_t from, uint8_t low, uint8_t high);
  uint32_t byte(uint32_t from, char value) {
    return byte(from, static_cast<uint8_t>(value), static_cast<uint8_t>(value));
  }
  uint32_t any_of(uint32_t from, std::string_view bytes);
  uint32_t text(uint32_t from, std::string_view bytes);
  uint32_t digits(uint32_t from, int min, int max);  ///< max < 0: any number

  /// One character of the set in UTF-8, to a node that is there.
  void character(uint32_t from, const CodePointSet& set, uint32_t to);

  /// `part(from)` adds one text and returns its end; max < 0: any number of them.
  template <typename Part>
  uint32_t repeat(uint32_t from, int min, int max, const Part& part) {
    uint32_t at = from;
    for (int i = 0; i < min; ++i) {
      const uint32_t before = std::exchange(at, part(at));
      if (at == before) break;  // the empty text, however often
    }
    const uint32_t end = node();
    if (max < 0) {
      const uint32_t loop = node();
      empty(at, loop);
      empty(part(loop), loop);
      empty(loop, end);
      return end;
    }
    empty(at, end);
    for (int i = min; i < max; ++i) {
      at = part(at);
      empty(at, end);
    }
    return end;
  }

  /// A second copy of the nodes first .. last - 1, whose edges lead nowhere else. Returns what is
  /// to be added to a node to get its copy.
  uint32_t copy(uint32_t first, uint32_t last);

  uint32_t nodes() const { return static_cast<uint32_t>(first_edge_.size()); }
  template <typename Visit>
  void edges_of(uint32_t from, const Visit& visit) const {
    for (uint32_t at = first_edge_[from]; at != kNoEdge; at = edges_[at].next) visit(edges_[at]);
  }

 private:
  void add(uint32_t from, NfaEdge edge);

  std::vector<uint32_t> first_edge_;
  std::vector<NfaEdge> edges_;
};

}  // namespace tessera
