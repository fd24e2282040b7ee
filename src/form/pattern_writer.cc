#include "form/pattern_writer.h"

#include <array>
#include <utility>

#include "form/form_limits.h"

namespace tessera {
namespace {

using Kind = PatternNode::Kind;

PatternNode anything() {
  PatternNode repeat = {.kind = Kind::kRepeat, .min = 0, .max = -1};
  repeat.parts.push_back({.kind = Kind::kClass, .set = CodePointSet::all()});
  return repeat;
}

// At one end of the text: drops the anchor, and puts the rest of a text where there is none. An end
// that lies in branches is an end of each.
class AnchorsAtEnd {
 public:
  AnchorsAtEnd(Kind anchor, PatternExtent extent) : anchor_(anchor), extent_(extent) {}

  void rewrite(PatternNode& node) const {
    const bool begin = anchor_ == Kind::kBegin;
    if (node.kind == Kind::kEither) {
      for (PatternNode& part : node.parts) rewrite(part);
    } else if (node.kind == Kind::kSequence && !node.parts.empty()) {
      rewrite(begin ? node.parts.front() : node.parts.back());
    } else if (node.kind == anchor_) {
      node = {};
    } else if (extent_ == PatternExtent::kSearch) {
      PatternNode sequence = {.kind = Kind::kSequence};
      sequence.parts.push_back(begin ? anything() : std::move(node));
      sequence.parts.push_back(begin ? std::move(node) : anything());
      node = std::move(sequence);
    }
  }

 private:
  Kind anchor_;
  PatternExtent extent_;
};

class PatternWriter {
 public:
  PatternWriter(Nfa& nfa, Spelling spelling, const std::string& place)
      : nfa_(nfa), spelling_(spelling), place_(place) {}

  uint32_t write(uint32_t from, const PatternNode& node) {
    switch (node.kind) {
      case Kind::kNothing:
        return from;
      case Kind::kClass: {
        const uint32_t to = nfa_.node();
        write_character(nfa_, from, node.set, spelling_, to);
        return to;
      }
      case Kind::kSequence:
        for (const PatternNode& part : node.parts) from = write(from, part);
        return from;
      case Kind::kEither: {
        const uint32_t to = nfa_.node();
        for (const PatternNode& part : node.parts) {
          const uint32_t start = nfa_.node();  // a loop of one branch must not enter another
          nfa_.empty(from, start);
          nfa_.empty(write(start, part), to);
        }
        return to;
      }
      case Kind::kRepeat:
        return nfa_.repeat(from, node.min, node.max,
                           [&](uint32_t at) { return write(at, node.parts[0]); });
      case Kind::kBegin:
      case Kind::kEnd:
        refuse_form(place_, "^ and $ at the ends of a regular expression only",
                    node.kind == Kind::kBegin ? "a ^ within" : "a $ within");
    }
    return from;
  }

 private:
  Nfa& nfa_;
  const Spelling spelling_;
  const std::string& place_;
};

// The characters of a JSON string that must be escaped.
void write_escaped(Nfa& nfa, uint32_t from, const CodePointSet& set, uint32_t to) {
  constexpr std::array<std::pair<char, char>, 7> kShort = {
      {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}};
  uint32_t backslash = Nfa::kNoEdge;
  const auto escape = [&] {
    if (backslash == Nfa::kNoEdge) backslash = nfa.byte(from, '\\');
    return backslash;
  };
  for (const auto& [character, letter] : kShort)
    if (set.contains(static_cast<char32_t>(character)))
      nfa.bytes(escape(), static_cast<uint8_t>(letter), static_cast<uint8_t>(letter), to);
  for (char32_t c = 0; c < 0x20; ++c) {
    if (!set.contains(c)) continue;
    const char digit = "0123456789abcdef"[c & 15];
    const uint32_t last = nfa.byte(nfa.text(escape(), "u00"), c < 16 ? '0' : '1');
    nfa.bytes(last, static_cast<uint8_t>(digit), static_cast<uint8_t>(digit), to);
    if (digit >= 'a')
      nfa.bytes(last, static_cast<uint8_t>(digit - 32), static_cast<uint8_t>(digit - 32), to);
  }
}

}  // namespace

void write_character(Nfa& nfa, uint32_t from, const CodePointSet& set, Spelling spelling,
                     uint32_t to) {
  if (spelling == Spelling::kPlain) return nfa.character(from, set, to);
  nfa.character(from, set.without({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}), to);
  write_escaped(nfa, from, set, to);
}

uint32_t write_pattern(Nfa& nfa, uint32_t from, std::string_view pattern, PatternExtent extent,
                       Spelling spelling, const std::string& place) {
  PatternNode tree = parse_pattern(pattern, place);
  AnchorsAtEnd(Kind::kBegin, extent).rewrite(tree);
  AnchorsAtEnd(Kind::kEnd, extent).rewrite(tree);
  return PatternWriter(nfa, spelling, place).write(from, tree);
}

}  // namespace tessera
