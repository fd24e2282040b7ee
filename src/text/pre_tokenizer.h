#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/regex.h"

namespace tessera {

/// Cuts a text into the words that a byte pair encoding works on: "pre_tokenizer" of
/// tokenizer.json. Immutable: any thread may use it.
class PreTokenizer {
 public:
  /// Reads the object: ByteLevel, or a Sequence of Split and Digits that ends with ByteLevel.
  /// Throws Error that names the key for everything else.
  explicit PreTokenizer(const JsonReader& reader);

  /// Calls for each word in order. `text` is valid UTF-8, and so are the words, none of them empty;
  /// a word is not always a part of the text (a space may be put before it).
  void split(std::string_view text,
             const std::function<void(std::string_view word)>& on_word) const;

 private:
  enum class Keep { kAll, kMatches, kOthers };
  struct Step {
    bool add_prefix_space = false;
    std::vector<Regex> pattern = {};  // one or none
    Keep keep = Keep::kAll;
  };

  void read_step(const JsonReader& reader);
  void read_split(const JsonReader& reader);
  void from(size_t step, std::string_view text,
            const std::function<void(std::string_view)>& on_word) const;

  std::vector<Step> steps_;
};

}  // namespace tessera
