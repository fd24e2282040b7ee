#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "form/form_limits.h"
#include "form/token_masks.h"

namespace tessera {

/// Holds one answer to its form, token by token. Some 300 bytes: copies (one a choice) are cheap,
/// share the masks worked out so far, and go on independently. One thread at a time each.
///
/// An allowed token never leads where the answer could not be brought to an end: each allowed
/// prefix is the beginning of an answer that tokens of single bytes can complete.
class FormMatcher {
 public:
  /// At the beginning of an answer. Throws UsageError when the vocabulary cannot write the form.
  FormMatcher(std::shared_ptr<const CompiledForm> form,
              std::shared_ptr<const FormVocabulary> vocabulary);

  /// Sets bit t % 32 of word t / 32 for each token t that may come next, clears all others; end
  /// tokens may come when complete(). `bits` has mask_words() of the vocabulary, or more.
  void allowed(std::span<uint32_t> bits) const;
  bool allows(int32_t token) const;  ///< one of them

  /// Throws Error and stays where it is when the token may not come. An end token changes nothing.
  void accept(int32_t token);

  bool complete() const;  ///< the tokens so far are a whole answer
  bool finished() const;  ///< and no other token than an end may follow

  const TokenMasks& masks() const { return *masks_; }

 private:
  FormWalk walk() const;
  FormPlace place_in(FormWalk& walk) const;
  bool read(FormWalk& walk, FormPlace& place, int32_t token) const;

  // Rules that do not count as a level call at most each other once.
  static constexpr size_t kMostFrames = kMaxFormLevels + 8;

  std::shared_ptr<const TokenMasks> masks_;
  uint32_t state_;
  uint32_t frames_ = 0;
  std::array<uint32_t, kMostFrames> after_ = {};  // from the bottom; the top bit: a level
};

}  // namespace tessera
