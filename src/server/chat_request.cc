#include "server/chat_request.h"

#include <fmt/format.h>

#include "server/answer_form_fields.h"
#include "server/chat_message.h"
#include "server/sampling_fields.h"

namespace tessera {
namespace {

void refuse_what_is_not_there(const BodyFields& body) {
  const bool no_tools = body.has("tool_choice") && body.at("tool_choice") == "none";
  for (const char* key : {"tools", "functions"})
    if (body.has(key) && !body.at(key).is_array())
      throw wrong_field(key, "a list", describe_json(body.at(key)));
  if (!no_tools) {
    body.refuse({"tools"}, "this server calls no tools");
    if (body.has("tool_choice") && body.at("tool_choice") != "auto")
      throw not_supported("tool_choice", "this server calls no tools");
  }
  if (!(body.has("function_call") && body.at("function_call") == "none"))
    body.refuse({"functions", "function_call"}, "this server calls no functions");
  body.refuse({"audio", "web_search_options"}, "the answer is text");
  if (body.has("modalities") && body.at("modalities") != Json::array({"text"}))
    throw not_supported("modalities", "the answer is text");
  body.refuse({"use_beam_search", "min_tokens", "prompt_logprobs", "echo"},
              "leave it out, or ask without it");
}

std::vector<Message> read_messages(const BodyFields& body, const ApiLimits& limits) {
  const Json& list = body.at("messages");
  if (!list.is_array() || list.empty())
    throw wrong_field("messages", "a list of at least one message", describe_json(list));
  if (list.size() > limits.messages)
    throw wrong_field("messages", fmt::format("at most {} messages", limits.messages),
                      fmt::format("{}", list.size()));
  MessageBudget budget{.pictures = limits.pictures, .text_bytes = limits.text_bytes};
  std::vector<Message> messages;
  for (const Json& json : list) {
    const std::string path = element_path("messages", messages.size());
    messages.push_back(read_chat_message(BodyFields(json, path), path, limits, budget));
  }
  return messages;
}

std::optional<int64_t> read_top_logprobs(const BodyFields& body, const ApiLimits& limits) {
  const bool wanted = body.boolean("logprobs", false);
  const int64_t top = body.integer("top_logprobs", 0, 0, limits.top_logprobs);
  if (wanted) return top;
  if (body.has("top_logprobs") && top > 0)
    throw wrong_field("top_logprobs", "logprobs to be true as well", fmt::format("{}", top));
  return std::nullopt;
}

}  // namespace

ChatRequest read_chat_request(const Json& json, const ApiLimits& limits, int64_t context) {
  const BodyFields body(json, "");
  refuse_what_is_not_there(body);
  ChatRequest out;
  out.request.messages = read_messages(body, limits);
  read_sampling(body, limits, out.request);
  const int64_t older = body.integer("max_tokens", context, 1, int64_t{1} << 31);
  out.request.max_new_tokens = body.integer("max_completion_tokens", older, 1, int64_t{1} << 31);
  out.request.top_logprobs = read_top_logprobs(body, limits);
  out.request.form = read_answer_form(body, limits);
  out.answer = read_stream_fields(body);
  return out;
}

}  // namespace tessera
