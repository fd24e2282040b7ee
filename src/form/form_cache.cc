#include "form/form_cache.h"

#include <algorithm>
#include <utility>

namespace tessera {

FormCache::FormCache(std::shared_ptr<const FormVocabulary> vocabulary, size_t forms)
    : vocabulary_(std::move(vocabulary)), forms_(std::max<size_t>(forms, 1)) {}

FormMatcher FormCache::matcher(const AnswerForm& form) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.form.kind == form.kind && entry.form.definition == form.definition;
    });
    if (it != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, it);
      return it->matcher;
    }
  }
  // Without the lock: others need not wait for a large one. Two at once compile it twice.
  FormMatcher made(compile_form(form), vocabulary_);
  const std::lock_guard lock(mutex_);
  entries_.push_front({form, made});
  if (entries_.size() > forms_) entries_.pop_back();
  return made;
}

}  // namespace tessera
