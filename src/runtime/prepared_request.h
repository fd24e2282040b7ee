#pragma once

#include <string>
#include <vector>

#include "model/model.h"
#include "runtime/prompt_tokens.h"

namespace tessera {

/// A request as the engine runs it: rows in, and what ends the answer.
struct PreparedRequest {
  PromptTokens prompt;
  std::vector<int32_t> ends;       ///< tokens that end an answer
  std::vector<std::string> stops;  ///< texts that do
  int64_t max_new_tokens = 1;      ///< within the context
};

/// Tokens that end this model's answers, those of its own template included.
std::vector<int32_t> end_tokens(const ModelConfig& config, const Tokenizer& tokenizer);

/// Renders and tokenises the request's messages, or takes its prompt as it is. `specials`: whether
/// a user who writes "<|im_end|>" gets that token. Throws UsageError when they make no prompt,
/// Error when the prompt leaves no room for an answer in `context` tokens. From any thread.
PreparedRequest prepare_request(const ModelSpec& model, const Tokenizer& tokenizer, int64_t context,
                                const Request& request, Tokenizer::Specials specials);

}  // namespace tessera
