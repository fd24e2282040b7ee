#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

/// The merges of a byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909): which two
/// neighbouring tokens become which one, and which pair goes first. Immutable: any thread may use
/// it.
class BpeMerges {
 public:
  struct Merge {
    int32_t left, right, merged;
  };

  /// `merges` in the order of their rank, the best first; of a pair that comes twice the later
  /// counts. All ids are from 0 to vocab - 1.
  BpeMerges(std::span<const Merge> merges, size_t vocab);

  /// Memory that apply() reuses from word to word. One thread.
  class Scratch {
    friend class BpeMerges;
    struct Symbol {
      int32_t token;
      int32_t before, after;  // places in the word; -1: none
      bool gone;
    };
    struct Candidate {
      int32_t rank, place, merged;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  /// Merges the tokens of one word until no pair is left: always the pair of the best rank, the
  /// leftmost of several. n tokens take O(n log n).
  void apply(std::vector<int32_t>& word, Scratch& scratch) const;

 private:
  struct Entry {
    int32_t right, rank, merged;
  };
  const Entry* find(int32_t left, int32_t right) const;
  void push(Scratch& scratch, int32_t place) const;

  std::vector<int32_t> first_;  // entries_[first_[left]] to entries_[first_[left + 1]], by right
  std::vector<Entry> entries_;
};

}  // namespace tessera
