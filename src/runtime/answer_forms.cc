#include "runtime/answer_forms.h"

#include <utility>

#include "runtime/prepared_request.h"

namespace tessera {
namespace {

class FormMask final : public TokenMask {
 public:
  explicit FormMask(FormMatcher matcher) : matcher_(std::move(matcher)) {}
  void allowed(std::span<uint32_t> bits) const override { matcher_.allowed(bits); }
  void accept(int32_t token) override { matcher_.accept(token); }
  bool complete() const override { return matcher_.finished(); }

 private:
  FormMatcher matcher_;
};

std::vector<std::string> token_texts(const Tokenizer& tokenizer) {
  std::vector<std::string> texts(static_cast<size_t>(tokenizer.vocab_size()));
  for (size_t id = 0; id < texts.size(); ++id) {
    const Fragment fragment = tokenizer.fragment(static_cast<int32_t>(id));
    if (fragment.kind != Fragment::Kind::kHidden) texts[id] = fragment.bytes;
  }
  return texts;
}

}  // namespace

FormCache& AnswerForms::cache() {
  const std::lock_guard lock(mutex_);
  if (!cache_) {
    ends_ = end_tokens(model_.config, tokenizer_);
    cache_.emplace(std::make_shared<FormVocabulary>(token_texts(tokenizer_), ends_));
  }
  return *cache_;
}

std::unique_ptr<TokenMask> AnswerForms::mask(const AnswerForm& form) {
  return std::make_unique<FormMask>(cache().matcher(form));
}

const std::vector<int32_t>& AnswerForms::ends() {
  (void)cache();
  return ends_;
}

}  // namespace tessera
