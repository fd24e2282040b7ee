#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// Python's str.strip for text that comes in pieces: white space at the beginning is dropped, white
/// space at the end is held back until more text follows, so all that push returns is
/// strip(whole text). All Unicode white space, as unicode.h has it. Pushes are whole UTF-8
/// characters. One thread. There is no finish(): what is still held at the end is what is stripped.
class StripFilter {
 public:
  std::string push(std::string_view text);

 private:
  bool any_text_ = false;
  std::string held_;  // white space that text may yet follow
};

std::string_view strip(std::string_view text);

}  // namespace tessera
