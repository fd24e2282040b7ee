// tokenizer.model of a stranger: parsed, loaded and used, or refused with an Error.

#include <cstddef>
#include <cstdint>
#include <string>

#include "tessera/error.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    TokenizerConfig config;
    config.where = "tokenizer_config.json";
    config.add_bos = false;
    const auto tokenizer =
        make_sentencepiece_tokenizer(parse_sentencepiece_model(bytes, "m"), config);
    const std::string text =
        "How many  <|im_end|> 红色\n\xF0\x9F\x8E\x89 \xFF\xE4\xB8 <unk>aaaa bbbb";
    for (const auto specials : {Tokenizer::Specials::kParse, Tokenizer::Specials::kAsText})
      if (!is_valid_utf8(tokenizer->decode(tokenizer->encode(text, specials)))) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
