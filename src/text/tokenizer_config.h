#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

/// A token that the tokenizer finds in text before anything else: written literally, it is one id.
struct AddedToken {
  std::string content;       ///< UTF-8, not empty
  int32_t id = -1;           ///< >= 0; may also be an id of tokenizer.model, which it then renames
  bool special = false;      ///< vanishes when ids are turned back into text
  bool strip_left = false;   ///< white space before it is dropped
  bool strip_right = false;  ///< white space after it is dropped
  bool single_word = false;  ///< found between characters of no word only
  bool normalized = false;   ///< looked for after normalisation, in what the others left
};

/// What stands beside tokenizer.model: tokenizer_config.json, special_tokens_map.json and
/// added_tokens.json, each of which may be absent. The defaults are those of the Hugging Face
/// LlamaTokenizer.
struct TokenizerConfig {
  std::vector<AddedToken> added;         ///< each content and each id once
  std::string bos, eos, unk;             ///< contents; empty: tokenizer.model decides
  std::vector<std::string> other_names;  ///< contents of the other special tokens (pad, ...)
  bool add_bos = true;                   ///< a prompt begins with the bos token
  bool legacy = true;                    ///< every run between added tokens gets its own prefix
  bool add_prefix_space = true;          ///< not legacy only: a space before the whole text
  std::string where;                     ///< the file that an error about these should name
};

/// The bos and eos tokens that tokenizer_config.json and special_tokens_map.json name, and whether
/// the first says that a prompt begins with bos: what a tokenizer.json leaves to them.
struct TokenNames {
  std::string bos, eos;         ///< contents; empty: none
  std::optional<bool> add_bos;  ///< empty: tokenizer.json decides
  std::string where;            ///< the file that an error about these should name
};
TokenNames read_token_names(const std::string& model_dir);

/// Throws Error that names the file and the key when one of the files is damaged or has values of
/// a wrong type, and when they contradict each other about an id.
TokenizerConfig read_tokenizer_config(const std::string& model_dir);

}  // namespace tessera
