#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "form/form_cache.h"
#include "model/model.h"
#include "runtime/token_sampler.h"
#include "text/tokenizer.h"

namespace tessera {

/// Masks that hold answers of this model to a form. The vocabulary is looked through when the first
/// one is asked for. From any thread.
class AnswerForms {
 public:
  AnswerForms(const ModelSpec& model, const Tokenizer& tokenizer)
      : model_(model), tokenizer_(tokenizer) {}

  /// At the beginning of an answer; one for each choice. Throws UsageError for a form that is
  /// malformed or not supported. `form` is not kAny.
  std::unique_ptr<TokenMask> mask(const AnswerForm& form);

  /// Tokens that may end an answer of a form.
  const std::vector<int32_t>& ends();

 private:
  FormCache& cache();

  const ModelSpec& model_;
  const Tokenizer& tokenizer_;
  std::mutex mutex_;
  std::vector<int32_t> ends_;
  std::optional<FormCache> cache_;
};

}  // namespace tessera
