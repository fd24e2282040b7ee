#include "text/answer_trim.h"

#include <utility>

#include "text/unicode.h"

namespace tessera {

std::string_view strip(std::string_view text) {
  return strip_left(strip_right(text));
}

std::string StripFilter::push(std::string_view text) {
  if (!any_text_) text = strip_left(text);
  const std::string_view solid = strip_right(text);
  std::string out;
  if (!solid.empty()) {
    any_text_ = true;
    out = std::exchange(held_, {});
    out += solid;
  }
  held_ += text.substr(solid.size());
  return out;
}

}  // namespace tessera
