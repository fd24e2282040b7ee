#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace tessera {

/// A set of characters: code points of Unicode without the surrogates.
class CodePointSet {
 public:
  struct Range {
    char32_t first, last;  ///< both in it
  };

  CodePointSet() = default;
  CodePointSet(std::initializer_list<Range> ranges);
  static CodePointSet all();

  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);

  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;
  bool contains(char32_t code_point) const;
  bool empty() const { return ranges_.empty(); }
  std::span<const Range> ranges() const { return ranges_; }  ///< in order, with gaps between

 private:
  std::vector<Range> ranges_;
};

}  // namespace tessera
