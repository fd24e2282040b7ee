#include "text/tokenizer.h"

#include <fmt/format.h>

#include "base/file.h"
#include "tessera/error.h"
#include "text/bpe_tokenizer.h"
#include "text/incremental_decoder.h"
#include "text/sentencepiece_tokenizer.h"

namespace tessera {

std::unique_ptr<Tokenizer> Tokenizer::open(const std::string& model_dir) {
  const auto has = [&](const char* name) { return file_exists(model_dir + "/" + name); };
  if (has("tokenizer.model") || !has("tokenizer.json")) {
    if (!has("tokenizer.model") && has("vocab.json"))
      throw Error({.where = model_dir,
                   .expected = "tokenizer.model or tokenizer.json",
                   .found = "vocab.json",
                   .hint = "transformers writes a tokenizer.json with save_pretrained"});
    return open_sentencepiece_tokenizer(model_dir);
  }
  return open_bpe_tokenizer(model_dir);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, Specials specials) const {
  const Part whole{text, specials};
  return encode({&whole, 1});
}

std::vector<int32_t> Tokenizer::encode(std::span<const Part> parts) const {
  std::string text;
  std::vector<Stretch> stretches;
  size_t bytes = 0;
  for (const Part& part : parts) bytes += part.text.size();
  if (bytes > kMaxTextBytes)
    throw Error({.where = "tokenizer",
                 .what = "text",
                 .expected = fmt::format("at most {} bytes", kMaxTextBytes),
                 .found = fmt::format("{} bytes", bytes)});
  for (const Part& part : parts) {
    text += part.text;
    stretches.push_back({text.size(), part.specials == Specials::kParse});
  }
  return encode_stretches(text, stretches);
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  IncrementalDecoder decoder(*this);
  std::string text;
  for (const int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

}  // namespace tessera
