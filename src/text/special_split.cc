#include "text/special_split.h"

#include <algorithm>

#include "text/unicode.h"

namespace tessera {
namespace {

uint8_t byte_at(std::string_view text, size_t at) {
  return static_cast<uint8_t>(text[at]);
}

// Whether a word ends with `text`.
bool ends_in_word(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0 && text.size() - begin < 4) {
    --begin;
    if (byte_at(text, begin) >> 6 != 2) break;
  }
  return begin < text.size() && is_word_character(read_utf8(text.substr(begin)).code_point);
}

bool begins_in_word(std::string_view text) {
  return !text.empty() && is_word_character(read_utf8(text).code_point);
}

}  // namespace

SpecialSplit::SpecialSplit(std::vector<AddedToken> tokens, Rules rules)
    : tokens_(std::move(tokens)), rules_(rules) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (size_t i = tokens_.size(); i-- > 0;) {
    auto& [from, to] = by_first_[byte_at(tokens_[i].content, 0)];
    from = i;
    if (to == 0) to = i + 1;
  }
}

const AddedToken* SpecialSplit::match(std::string_view text) const {
  auto [from, to] = by_first_[byte_at(text, 0)];
  const AddedToken* longest = nullptr;
  // tokens_[from] to tokens_[to] begin with the first `same` bytes of the text.
  for (size_t same = 1; from < to; ++same) {
    if (tokens_[from].content.size() == same) longest = &tokens_[from++];
    if (same == text.size()) break;
    const auto begin = tokens_.begin() + static_cast<ptrdiff_t>(from);
    const auto end = tokens_.begin() + static_cast<ptrdiff_t>(to);
    const uint8_t next = byte_at(text, same);
    const auto first = std::partition_point(
        begin, end, [&](const AddedToken& token) { return byte_at(token.content, same) < next; });
    const auto last = std::partition_point(
        first, end, [&](const AddedToken& token) { return byte_at(token.content, same) == next; });
    from = static_cast<size_t>(first - tokens_.begin());
    to = static_cast<size_t>(last - tokens_.begin());
  }
  return longest;
}

void SpecialSplit::split(std::string_view text, std::span<const Stretch> stretches,
                         const std::function<void(std::string_view)>& on_text,
                         const std::function<void(const AddedToken&)>& on_token) const {
  const auto is_space = rules_ == Rules::kPython ? is_unicode_space : is_white_space_property;
  size_t run_begin = 0;
  bool strip_begin = false;  // the token before this run drops the white space after it
  const auto end_run = [&](size_t end, bool strip_end) {
    std::string_view run = text.substr(run_begin, end - run_begin);
    if (strip_begin) run = strip_left(run, is_space);
    if (strip_end) run = strip_right(run, is_space);
    if (!run.empty()) on_text(run);
  };
  size_t at = 0;
  for (const Stretch& stretch : stretches) {
    if (!stretch.parse && rules_ == Rules::kPython) at = stretch.end;
    while (at < stretch.end) {
      const AddedToken* token = match(text.substr(at, stretch.end - at));
      if (token == nullptr) {
        ++at;
        continue;
      }
      const size_t begin = at;
      at += token->content.size();
      if (token->special && !stretch.parse) continue;
      if (token->single_word &&
          (ends_in_word(text.substr(0, begin)) || begins_in_word(text.substr(at))))
        continue;
      end_run(begin, token->strip_left);
      on_token(*token);
      run_begin = at;
      strip_begin = token->strip_right;
    }
  }
  end_run(text.size(), false);
}

}  // namespace tessera
