#include "text/special_split.h"

#include <algorithm>

#include "text/unicode.h"

namespace tessera {

SpecialSplit::SpecialSplit(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (const AddedToken& token : tokens_)
    by_first_byte_[static_cast<uint8_t>(token.content.front())].push_back(&token);
}

const AddedToken* SpecialSplit::match(std::string_view text) const {
  for (const AddedToken* token : by_first_byte_[static_cast<uint8_t>(text.front())])
    if (text.starts_with(token->content)) return token;
  return nullptr;
}

void SpecialSplit::split(std::string_view text,
                         const std::function<void(std::string_view)>& on_text,
                         const std::function<void(const AddedToken&)>& on_token) const {
  size_t run_begin = 0;
  bool strip_begin = false;  // the token before this run drops the white space after it
  const auto end_run = [&](size_t end, bool strip_end) {
    std::string_view run = text.substr(run_begin, end - run_begin);
    if (strip_begin) run = strip_left(run);
    if (strip_end) run = strip_right(run);
    if (!run.empty()) on_text(run);
  };
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = match(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    end_run(at, token->strip_left);
    on_token(*token);
    at += token->content.size();
    run_begin = at;
    strip_begin = token->strip_right;
  }
  end_run(text.size(), false);
}

}  // namespace tessera
