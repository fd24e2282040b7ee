#pragma once

#include <memory>
#include <string>

#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace tessera {

/// See Tokenizer::open.
std::unique_ptr<Tokenizer> open_sentencepiece_tokenizer(const std::string& model_dir);

/// A tokenizer from its parts. It encodes as the Hugging Face LlamaTokenizer does (the one in
/// Python, not the "fast" one): added tokens are split off first, each run between them goes
/// through sentencepiece on its own. Throws Error that names config.where when the parts do not
/// belong together.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(SentencePieceModel model,
                                                        TokenizerConfig config);

}  // namespace tessera
