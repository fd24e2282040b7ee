#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/bpe_merges.h"
#include "text/tokenizer_config.h"

namespace tessera {

/// A byte-level BPE tokenizer as read from tokenizer.json and checked. Plain data.
/// Source of the format: github.com/huggingface/tokenizers, which calls the parts as here.
struct TokenizerJson {
  std::vector<std::string> vocab;        ///< by id, as spelled: bytes are characters
  std::vector<BpeMerges::Merge> merges;  ///< the best first
  std::vector<AddedToken> added;         ///< each content and each id once; ids may be the vocab's
  int32_t unk_id = -1;                   ///< for a byte without a token; -1: it is left out
  bool fuse_unk = false;                 ///< unknown bytes in a row become one unk_id
  bool byte_fallback = false;            ///< before that, tokens such as "<0xC4>" are tried
  bool ignore_merges = false;            ///< a word that is a token is not merged up to it
  bool nfc = false;                      ///< text is put in normalization form C
  int32_t bos_id = -1;                   ///< what the post-processor puts before a text; -1: none
  Json pre_tokenizer;                    ///< for PreTokenizer
  std::string where;                     ///< the file
};

/// Parses and checks tokenizer.json. Throws Error that names `where` and the key on anything
/// damaged, on what contradicts itself, and on whatever Tessera does not run: other models than
/// BPE, other normalizers than NFC, other pre-tokenizers than byte-level ones, added tokens at the
/// end. "truncation" and "padding" are read over: they are for batches, and transformers resets
/// them.
TokenizerJson parse_tokenizer_json(std::string_view text, const std::string& where);

}  // namespace tessera
