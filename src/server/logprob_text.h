#pragma once

#include <string>
#include <string_view>

#include "tessera/engine.h"

namespace tessera {

/// Appends one token as an element of a chat's logprobs.content:
/// {"token", "logprob", "bytes", "top_logprobs": [{"token", "logprob", "bytes"}...]}.
void append_chat_logprob(std::string& out, const Engine& engine, const TokenLogprobs& logprobs);

/// The logprobs of a plain completion, which are lists side by side: tokens, token_logprobs,
/// top_logprobs, text_offset. Collects them, and gives them as an object.
class CompletionLogprobs {
 public:
  /// `text`: what this token added to the answer.
  void add(const Engine& engine, const TokenLogprobs& logprobs, std::string_view text);
  /// Appends the object, and forgets all but how far the text has come.
  void take(std::string& out);

 private:
  std::string tokens_, logprobs_, top_, offsets_;  // what stands between the brackets
  size_t characters_ = 0;                          // of the answer so far
};

}  // namespace tessera
