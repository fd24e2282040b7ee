#pragma once

#include <array>
#include <functional>
#include <string_view>
#include <vector>

#include "text/tokenizer_config.h"

namespace tessera {

/// Finds added tokens in text: leftmost first, the longest of those that begin at one place.
/// Immutable after construction, so any thread may use it.
class SpecialSplit {
 public:
  explicit SpecialSplit(std::vector<AddedToken> tokens);
  SpecialSplit(SpecialSplit&&) = default;
  SpecialSplit& operator=(SpecialSplit&&) = default;

  /// Calls on_text for each run between tokens (never empty) and on_token for each token, in the
  /// order of the text.
  void split(std::string_view text, const std::function<void(std::string_view)>& on_text,
             const std::function<void(const AddedToken&)>& on_token) const;

 private:
  const AddedToken* match(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::array<std::vector<const AddedToken*>, 256> by_first_byte_;  // the longest first
};

}  // namespace tessera
