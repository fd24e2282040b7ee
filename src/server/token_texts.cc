#include "server/token_texts.h"

#include <utility>

namespace tessera {

TokenTexts::TokenTexts(const Engine& engine) : engine_(engine) {}

const TokenTexts::Text& TokenTexts::of(int32_t token) {
  const std::lock_guard lock(mutex_);
  if (!ready_) {
    const std::vector<int32_t> ids = engine_.tokenize("a");
    if (!ids.empty()) before_ = {ids.back()};
    before_text_ = engine_.detokenize(before_);
    ready_ = true;
  }
  if (const auto it = texts_.find(token); it != texts_.end()) return it->second;
  before_.push_back(token);
  std::string text = engine_.detokenize(before_);
  before_.pop_back();
  text = text.starts_with(before_text_) ? text.substr(before_text_.size())
                                        : engine_.detokenize({&token, 1});
  const bool whole = text.find("\xef\xbf\xbd") == text.npos;
  return texts_.emplace(token, Text{.text = std::move(text), .whole = whole}).first->second;
}

}  // namespace tessera
