#pragma once

#include <array>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer_config.h"

namespace tessera {

/// Part of a text: from where the one before it ends to `end`. In text that must not steer the
/// model, `parse` is false.
struct Stretch {
  size_t end;
  bool parse;
};

/// Finds added tokens in text: leftmost first, the longest of those that begin at one place, each
/// within one stretch. Immutable after construction, so any thread may use it.
class SpecialSplit {
 public:
  /// Whose habits to follow where the tokenizers of Hugging Face differ.
  enum class Rules {
    kPython,  ///< those in Python: where nothing is parsed, nothing is found; str.isspace is space
    kRust,    ///< the tokenizers library: there only special tokens are passed over; White_Space is
  };
  SpecialSplit(std::vector<AddedToken> tokens, Rules rules);

  /// Calls on_text for each run between tokens (never empty) and on_token for each token, in the
  /// order of the text. The stretches are in order, and the last ends with the text.
  void split(std::string_view text, std::span<const Stretch> stretches,
             const std::function<void(std::string_view)>& on_text,
             const std::function<void(const AddedToken&)>& on_token) const;

 private:
  const AddedToken* match(std::string_view text) const;

  std::vector<AddedToken> tokens_;                         // by content
  std::array<std::pair<size_t, size_t>, 256> by_first_{};  // from, to
  Rules rules_;
};

}  // namespace tessera
