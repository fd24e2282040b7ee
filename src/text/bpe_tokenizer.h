#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace tessera {

/// See Tokenizer::open.
std::unique_ptr<Tokenizer> open_bpe_tokenizer(const std::string& model_dir);

/// A tokenizer from its parts. It encodes as the tokenizers library of Hugging Face does (version
/// 0.23), which Python's bytes.decode(errors="replace") stands before: a broken sequence of bytes
/// reads as one U+FFFD. Specials::kAsText is that library's encode_special_tokens. Throws Error
/// that names json.where or names.where when the parts do not belong together.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(TokenizerJson json, const TokenNames& names);

}  // namespace tessera
