#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "form/form_matcher.h"

namespace tessera {

/// Matchers of the forms asked for last, so that requests of one form share its automaton and its
/// masks. Any thread.
class FormCache {
 public:
  /// Keeps at most `forms` of them.
  FormCache(std::shared_ptr<const FormVocabulary> vocabulary, size_t forms = 16);

  /// At the beginning of an answer. Throws UsageError as compile_form.
  FormMatcher matcher(const AnswerForm& form);

 private:
  struct Entry {
    AnswerForm form;
    FormMatcher matcher;
  };

  std::shared_ptr<const FormVocabulary> vocabulary_;
  size_t forms_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last used one first
};

}  // namespace tessera
