#include "form/form_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr size_t kMostTokenBytes = UINT16_MAX;

}  // namespace

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
      nodes_.push_back({0, static_cast<uint32_t>(tokens_at_nodes_.size()),
                        static_cast<uint16_t>(open.size()), bytes[open.size() - 1]});
    }
    tokens_at_nodes_.push_back(token);
    if (bytes.size() == 1) single_bytes_.set(bytes[0]);
    last = bytes;
  }
  close_to(0);
  nodes_.push_back({0, static_cast<uint32_t>(tokens_at_nodes_.size()), 0, 0});
}

std::span<const uint8_t> FormVocabulary::bytes_of(int32_t token) const {
  if (token < 0 || static_cast<size_t>(token) >= size()) return {};
  return std::span(bytes_).subspan(offsets_[token], offsets_[token + 1] - offsets_[token]);
}

bool FormVocabulary::is_end(int32_t token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

}  // namespace tessera
