#pragma once

#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera {

/// Bytes that forms seldom tell apart are of one group; there are less than 32.
uint32_t byte_group(uint8_t byte);

/// The tokens of a model as bytes, in a tree of their beginnings. Made once per model; immutable:
/// any thread may use it.
class FormVocabulary {
 public:
  /// A byte of some tokens. Nodes are in the order in which a depth-first walk meets them.
  struct Node {
    uint32_t subtree_end;  ///< node behind the last that this one leads to
    uint32_t first_token;  ///< of this node's tokens, which end where the next node's begin
    uint32_t groups;       ///< of the bytes in the subtree, this one too; see byte_group()
    uint16_t depth;        ///< bytes up to here, 1 at the beginning of a token
    uint16_t height;       ///< bytes of the longest way down, this one too
    uint8_t byte;
  };

  /// token_bytes   [vocabulary] what each id adds to the text; empty: a special or hidden token,
  /// never
  ///               allowed. Throws Error for a token of more than 65,535 bytes.
  /// end_tokens    the ids that end an answer, whatever their bytes; those outside are ignored
  FormVocabulary(std::span<const std::string> token_bytes, std::span<const int32_t> end_tokens);

  size_t size() const { return offsets_.size() - 1; }
  size_t mask_words() const { return (size() + 31) / 32; }  ///< of uint32_t, one bit a token
  /// Empty for tokens that add nothing, end tokens, and ids outside the vocabulary.
  std::span<const uint8_t> bytes_of(int32_t token) const;
  bool is_end(int32_t token) const;
  std::span<const int32_t> end_tokens() const { return end_tokens_; }
  /// Those that are tokens by themselves.
  const std::bitset<256>& single_bytes() const { return single_bytes_; }

  std::span<const Node> nodes() const { return {nodes_.data(), nodes_.size() - 1}; }
  std::span<const uint32_t> tokens_at(uint32_t node) const { return tokens_of(node, node + 1); }
  std::span<const uint32_t> tokens_under(uint32_t node) const {
    return tokens_of(node, nodes_[node].subtree_end);
  }

 private:
  void make_tree();
  void sum_up_subtrees();
  std::span<const uint32_t> tokens_of(uint32_t first, uint32_t last) const {
    const uint32_t begin = nodes_[first].first_token, end = nodes_[last].first_token;
    return std::span(tokens_at_nodes_).subspan(begin, end - begin);
  }

  std::vector<int32_t> end_tokens_;  // sorted
  std::vector<uint32_t> offsets_;    // [vocabulary + 1] into bytes_
  std::vector<uint8_t> bytes_;
  std::vector<Node> nodes_;  // and one behind them
  std::vector<uint32_t> tokens_at_nodes_;
  std::bitset<256> single_bytes_;
};

}  // namespace tessera
