#include "tests/form/pattern_judge.h"

#include <stdexcept>
#include <string>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace tessera {
namespace {

std::optional<bool> matches(const std::string& pattern, std::string_view text, uint32_t options) {
  int error = 0;
  size_t at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | options,
                                   &error, &at, nullptr);
  if (code == nullptr) throw std::runtime_error("PCRE2 does not take " + pattern);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                                data, nullptr);
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  if (found < -1) return {};
  return found >= 0;
}

}  // namespace

std::optional<bool> pcre_matches_whole(const std::string& pattern, std::string_view text) {
  return matches(pattern, text, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
}
std::optional<bool> pcre_finds(const std::string& pattern, std::string_view text) {
  return matches(pattern, text, 0);
}

}  // namespace tessera
