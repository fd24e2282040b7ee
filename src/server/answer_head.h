#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http/http.h"
#include "tessera/error.h"
#include "tessera/serving.h"

namespace tessera {

/// What every JSON of one answer begins with.
struct AnswerHead {
  enum class Kind : uint8_t { kChat, kCompletion };
  Kind kind = Kind::kChat;
  std::string id = {};  ///< of the HTTP request
  std::string model = {};
  int64_t created_s = 0;  ///< since 1970

  bool chat() const { return kind == Kind::kChat; }
};

/// {"id":...,"object":...,"created":...,"model":...,"choices":[ with nothing closed. `piece`: of a
/// stream, whose object has another name in a chat.
std::string open_answer_json(const AnswerHead& head, bool piece);

/// {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"}.
std::string usage_json(const AnswerSummary& summary);

/// OpenAI's word for why a choice ended: "stop" or "length".
std::string_view openai_finish_reason(FinishReason reason);

/// The response when an answer has failed (500) or was cut off by the server (503): nothing that
/// looks whole is sent then. Empty when all is well.
std::optional<HttpResponse> failure_of(const AnswerSummary& summary);

}  // namespace tessera
