#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tessera {

/// A compiled pattern of tokenizer.json; regex_syntax.h says which patterns there are. Immutable:
/// any thread may use it.
class Regex {
 public:
  /// Throws Error that names `where` when the pattern is not one that Tessera takes, or may match
  /// an empty text.
  Regex(std::string_view pattern, const std::string& where);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  /// Calls for each part of `text` in order, none of them empty: what the pattern matches, leftmost
  /// first, and what lies between. `text` is valid UTF-8. Takes time linear in the text for the
  /// patterns of published models; throws Error when a pattern tries many more ways at one place
  /// than the text has bytes.
  void split(std::string_view text,
             const std::function<void(std::string_view part, bool matched)>& on_part) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace tessera
