#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// A pattern of tokenizer.json, which is written for Oniguruma (Ruby's syntax, Unicode 16), as one
/// for PCRE2 that matches the same texts.
///
/// Taken: literals, sets of characters, ranges, \s \d \p{L} and their kind, groups, (?i:...),
/// look-ahead, alternatives, and the quantifiers ? * + {n} {n,} {n,m}, of which the first three may
/// be possessive or lazy: what the patterns of GPT-2, GPT-4, Llama 3, Qwen and DeepSeek are made
/// of. Whatever the two libraries read differently, or Tessera does not know, is an Error that
/// names `where` and the place in the pattern.
std::string to_pcre2_syntax(std::string_view pattern, const std::string& where);

}  // namespace tessera
