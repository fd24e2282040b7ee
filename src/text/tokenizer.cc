#include "text/tokenizer.h"

#include <fmt/format.h>

#include "base/file.h"
#include "tessera/error.h"
#include "text/incremental_decoder.h"
#include "text/sentencepiece_tokenizer.h"

namespace tessera {

std::unique_ptr<Tokenizer> Tokenizer::open(const std::string& model_dir) {
  const std::string path = model_dir + "/tokenizer.model";
  if (!file_exists(path) && file_exists(model_dir + "/tokenizer.json"))
    throw Error({.where = model_dir,
                 .expected = "tokenizer.model (SentencePiece)",
                 .found = "tokenizer.json alone, a kind of tokenizer that is not supported yet"});
  return open_sentencepiece_tokenizer(model_dir);
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  IncrementalDecoder decoder(*this);
  std::string text;
  for (const int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

void Tokenizer::check_vocab(int64_t model_vocab) const {
  if (vocab_size() > model_vocab)
    throw Error({.where = "tokenizer",
                 .what = "vocabulary",
                 .expected = fmt::format("at most the model's {} ids", model_vocab),
                 .found = fmt::format("{}", vocab_size()),
                 .hint = "tokenizer of another model?"});
}

}  // namespace tessera
