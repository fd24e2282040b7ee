#include "server/answer_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "http/http_errors.h"
#include "server/json_text.h"

namespace tessera {

std::string open_answer_json(const AnswerHead& head, bool piece) {
  const std::string_view object = !head.chat() ? "text_completion"
                                  : piece      ? "chat.completion.chunk"
                                               : "chat.completion";
  std::string out = "{\"id\":";
  append_json_string(out, (head.chat() ? "chatcmpl-" : "cmpl-") + head.id);
  fmt::format_to(std::back_inserter(out), ",\"object\":\"{}\",\"created\":{},\"model\":", object,
                 head.created_s);
  append_json_string(out, head.model);
  out += ",\"choices\":[";
  return out;
}

std::string usage_json(const AnswerSummary& summary) {
  return fmt::format(
      "{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},"
      "\"prompt_tokens_details\":{{\"cached_tokens\":{}}}}}",
      summary.prompt_tokens, summary.new_tokens, summary.prompt_tokens + summary.new_tokens,
      summary.cached_tokens);
}

std::string_view openai_finish_reason(FinishReason reason) {
  return reason == FinishReason::kStop ? "stop" : "length";
}

std::optional<HttpResponse> failure_of(const AnswerSummary& summary) {
  if (summary.error) return error_response({.status = 500}, Error(*summary.error));
  const auto& reasons = summary.finish_reasons;
  if (std::find(reasons.begin(), reasons.end(), FinishReason::kCancelled) == reasons.end())
    return std::nullopt;
  return error_response(
      {.status = 503, .code = "cancelled", .headers = {{"Retry-After", "1"}}},
      Error({.where = "answer", .what = "the server ended it early", .hint = "ask again"}));
}

}  // namespace tessera
