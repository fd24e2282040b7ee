// Any text as a schema or an expression: it is refused, or an automaton comes of it by which an
// answer can be written to its end, allowed token by allowed token.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "form/form_matcher.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::shared_ptr<const FormVocabulary> byte_vocabulary() {
  std::vector<std::string> tokens = {""};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* piece : {"\",", "\":", "}}", "{\"", "ab", "10", "\xC3\xA9", "\xE5\xA4"})
    tokens.emplace_back(piece);
  return std::make_shared<const FormVocabulary>(tokens, std::vector<int32_t>{0});
}

// Goes on with tokens that the text's own bytes choose, and agrees with itself on the way.
void write_answer(FormMatcher matcher, std::string_view choices) {
  const FormVocabulary& vocabulary = matcher.masks().vocabulary();
  std::vector<uint32_t> bits(vocabulary.mask_words());
  for (const char choice : choices.substr(0, 40)) {
    matcher.allowed(bits);
    std::vector<int32_t> tokens;
    for (int32_t token = 0; token < static_cast<int32_t>(vocabulary.size()); ++token) {
      const bool allowed = (bits[token / 32] >> (token % 32) & 1) != 0;
      require(allowed == matcher.allows(token));
      if (allowed) tokens.push_back(token);
    }
    require(!tokens.empty());
    const int32_t token = tokens[static_cast<uint8_t>(choice) % tokens.size()];
    matcher.accept(token);
    if (token == 0) return;
  }
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  if (size == 0) return 0;
  static const auto vocabulary = byte_vocabulary();
  const std::string text(reinterpret_cast<const char*>(data), size);
  const bool regex = text[0] == '/';  // an expression stands behind a slash
  AnswerForm form = {.kind = regex ? AnswerForm::Kind::kRegex : AnswerForm::Kind::kJsonSchema,
                     .definition = regex ? text.substr(1) : text};
  try {
    write_answer(FormMatcher(compile_form(form), vocabulary), text);
  } catch (const UsageError&) {
  }
  return 0;
}
