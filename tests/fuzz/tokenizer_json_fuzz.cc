// tokenizer.json of a stranger: parsed, loaded and used, or refused with an Error.

#include <cstddef>
#include <cstdint>
#include <string>

#include "tessera/error.h"
#include "text/bpe_tokenizer.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = make_bpe_tokenizer(parse_tokenizer_json(bytes, "t"), {});
    const std::string text =
        "How many  <|im_end|> 红色 can't\n\xF0\x9F\x8E\x89 \xFF\xE4\xB8 <unk>aaaa bbbb 1234e\u0301";
    for (const auto specials : {Tokenizer::Specials::kParse, Tokenizer::Specials::kAsText})
      if (!is_valid_utf8(tokenizer->decode(tokenizer->encode(text, specials)))) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
