#include "form/nfa.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "form/form_limits.h"

namespace tessera {
namespace {

struct ByteRange {
  uint8_t first, last;
};

int utf8_bytes(char32_t c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

std::array<uint8_t, 4> utf8(char32_t c, int bytes) {
  constexpr std::array<uint8_t, 5> kMarks = {0, 0, 0xC0, 0xE0, 0xF0};
  std::array<uint8_t, 4> out{};
  for (int i = bytes - 1; i > 0; --i) {
    out[i] = static_cast<uint8_t>(0x80 | (c & 0x3F));
    c >>= 6;
  }
  out[0] = static_cast<uint8_t>(kMarks[bytes] | c);
  return out;
}

// Calls `visit` with sequences of byte ranges that together are the characters first .. last.
template <typename Visit>
void split_utf8(char32_t first, char32_t last, const Visit& visit) {
  constexpr std::array<char32_t, 3> kLastOfLength = {0x7F, 0x7FF, 0xFFFF};
  for (const char32_t bound : kLastOfLength) {
    if (first <= bound && bound < last) {
      split_utf8(first, bound, visit);
      return split_utf8(bound + 1, last, visit);
    }
  }
  // Where leading bytes differ, what follows must be every continuation.
  const int bytes = utf8_bytes(first);
  for (int i = bytes - 1; i > 0; --i) {
    const char32_t mask = (char32_t{1} << (6 * i)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      split_utf8(first, first | mask, visit);
      return split_utf8((first | mask) + 1, last, visit);
    }
    if ((last & mask) != mask) {
      split_utf8(first, (last & ~mask) - 1, visit);
      return split_utf8(last & ~mask, last, visit);
    }
  }
  const auto low = utf8(first, bytes), high = utf8(last, bytes);
  std::vector<ByteRange> sequence;
  for (int i = 0; i < bytes; ++i) sequence.push_back({low[i], high[i]});
  visit(sequence);
}

}  // namespace

uint32_t Nfa::node() {
  if (first_edge_.size() >= kMaxNfaNodes)
    refuse_large_form("size", fmt::format("at most {} places in the form", kMaxNfaNodes));
  first_edge_.push_back(kNoEdge);
  return nodes() - 1;
}

void Nfa::add(uint32_t from, NfaEdge edge) {
  if (edges_.size() >= 8 * kMaxNfaNodes)
    refuse_large_form("size", fmt::format("at most {} ways through the form", 8 * kMaxNfaNodes));
  edge.next = first_edge_[from];
  first_edge_[from] = static_cast<uint32_t>(edges_.size());
  edges_.push_back(edge);
}

uint32_t Nfa::byte(uint32_t from, uint8_t low, uint8_t high) {
  const uint32_t to = node();
  bytes(from, low, high, to);
  return to;
}

uint32_t Nfa::any_of(uint32_t from, std::string_view values) {
  const uint32_t to = node();
  for (const char value : values)
    bytes(from, static_cast<uint8_t>(value), static_cast<uint8_t>(value), to);
  return to;
}

uint32_t Nfa::text(uint32_t from, std::string_view values) {
  for (const char value : values) from = byte(from, value);
  return from;
}

uint32_t Nfa::digits(uint32_t from, int min, int max) {
  return repeat(from, min, max, [&](uint32_t at) { return byte(at, '0', '9'); });
}

void Nfa::character(uint32_t from, const CodePointSet& set, uint32_t to) {
  // The ends of sequences are shared: many begin differently and go on in the same way.
  std::map<std::tuple<uint8_t, uint8_t, uint32_t>, uint32_t> before;
  for (const CodePointSet::Range& range : set.ranges()) {
    split_utf8(range.first, range.last, [&](const std::vector<ByteRange>& sequence) {
      uint32_t at = to;
      for (size_t i = sequence.size() - 1; i > 0; --i) {
        const auto [low, high] = sequence[i];
        const auto [it, added] = before.try_emplace({low, high, at}, 0);
        if (added) {
          it->second = node();
          bytes(it->second, low, high, at);
        }
        at = it->second;
      }
      bytes(from, sequence[0].first, sequence[0].last, at);
    });
  }
}

uint32_t Nfa::copy(uint32_t first, uint32_t last) {
  const uint32_t shift = nodes() - first;
  for (uint32_t i = first; i < last; ++i) node();
  for (uint32_t i = first; i < last; ++i) {
    for (uint32_t at = first_edge_[i]; at != kNoEdge; at = edges_[at].next) {
      NfaEdge edge = edges_[at];
      edge.to += shift;
      add(i + shift, edge);
    }
  }
  return shift;
}

}  // namespace tessera
