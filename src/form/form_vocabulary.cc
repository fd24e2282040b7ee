#include "form/form_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr size_t kMostTokenBytes = UINT16_MAX;

// The last byte of each group. Within one: letters that are hexadecimal digits, other letters,
// marks.
constexpr std::array<uint8_t, 31> kGroupEnds = {
    0x08, '\t', '\n', 0x0C, '\r', 0x1F, ' ',  '!', '"', '&', '\'', '+', ',',  '-',  '.', '/',
    '9',  ':',  '@',  'F',  'Z',  '[',  '\\', ']', '`', 'f', 'z',  '}', 0x7F, 0xC1, 0xFF};

constexpr std::array<uint8_t, 256> kGroupOfByte = [] {
  std::array<uint8_t, 256> groups{};
  uint8_t group = 0;
  for (int byte = 0; byte < 256; ++byte) {
    groups[byte] = group;
    if (byte == kGroupEnds[group]) ++group;
  }
  return groups;
}();

}  // namespace

uint32_t byte_group(uint8_t byte) {
  return kGroupOfByte[byte];
}

FormVocabulary::FormVocabulary(std::span<const std::string> token_bytes,
                               std::span<const int32_t> end_tokens) {
  for (const int32_t token : end_tokens)
    if (token >= 0 && static_cast<size_t>(token) < token_bytes.size()) end_tokens_.push_back(token);
  std::sort(end_tokens_.begin(), end_tokens_.end());
  end_tokens_.erase(std::unique(end_tokens_.begin(), end_tokens_.end()), end_tokens_.end());

  offsets_.push_back(0);
  for (size_t token = 0; token < token_bytes.size(); ++token) {
    const std::string& bytes = token_bytes[token];
    if (bytes.size() > kMostTokenBytes)
      throw Error({.where = "vocabulary",
                   .what = fmt::format("token {}", token),
                   .expected = fmt::format("at most {} bytes", kMostTokenBytes),
                   .found = std::to_string(bytes.size())});
    if (!is_end(static_cast<int32_t>(token)))
      bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  make_tree();
}

void FormVocabulary::make_tree() {
  const auto bytes_at = [&](uint32_t token) { return bytes_of(static_cast<int32_t>(token)); };
  std::vector<uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](uint32_t token) { return bytes_at(token).empty(); });
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const auto x = bytes_at(a), y = bytes_at(b);
    const int differ = std::char_traits<char>::compare(reinterpret_cast<const char*>(x.data()),
                                                       reinterpret_cast<const char*>(y.data()),
                                                       std::min(x.size(), y.size()));
    if (differ != 0) return differ < 0;
    return x.size() != y.size() ? x.size() < y.size() : a < b;
  });

  std::vector<uint32_t> open;  // nodes on the way to the last token
  std::span<const uint8_t> last;
  const auto close_to = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes_[open.back()].subtree_end = static_cast<uint32_t>(nodes_.size());
  };
  for (const uint32_t token : order) {
    const auto bytes = bytes_at(token);
    const auto split = std::mismatch(bytes.begin(), bytes.end(), last.begin(), last.end());
    close_to(static_cast<size_t>(split.first - bytes.begin()));
    while (open.size() < bytes.size()) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      const uint8_t byte = bytes[open.size() - 1];
      nodes_.push_back({.first_token = static_cast<uint32_t>(tokens_at_nodes_.size()),
                        .groups = uint32_t{1} << byte_group(byte),
                        .depth = static_cast<uint16_t>(open.size()),
                        .height = 1,
                        .byte = byte});
    }
    tokens_at_nodes_.push_back(token);
    if (bytes.size() == 1) single_bytes_.set(bytes[0]);
    last = bytes;
  }
  close_to(0);
  sum_up_subtrees();
  nodes_.push_back({.first_token = static_cast<uint32_t>(tokens_at_nodes_.size())});
}

void FormVocabulary::sum_up_subtrees() {
  std::vector<uint32_t> last_at_depth;  // node that leads to the one in hand, by depth
  std::vector<uint32_t> parents(nodes_.size());
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    last_at_depth.resize(nodes_[node].depth);
    last_at_depth.back() = node;
    parents[node] = nodes_[node].depth > 1 ? last_at_depth[nodes_[node].depth - 2U] : node;
  }
  for (auto node = static_cast<uint32_t>(nodes_.size()); node-- > 0;) {
    Node& parent = nodes_[parents[node]];
    parent.groups |= nodes_[node].groups;
    if (parents[node] != node)
      parent.height =
          std::max<uint16_t>(parent.height, static_cast<uint16_t>(nodes_[node].height + 1));
  }
}

std::span<const uint8_t> FormVocabulary::bytes_of(int32_t token) const {
  if (token < 0 || static_cast<size_t>(token) >= size()) return {};
  return std::span(bytes_).subspan(offsets_[token], offsets_[token + 1] - offsets_[token]);
}

bool FormVocabulary::is_end(int32_t token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

}  // namespace tessera
