#include "server/completion_request.h"

#include <fmt/format.h>

#include "server/answer_form_fields.h"
#include "server/sampling_fields.h"

namespace tessera {
namespace {

void read_prompt(const BodyFields& body, const ApiLimits& limits, Request& request) {
  const Json* prompt = &body.at("prompt");
  if (prompt->is_array() && !prompt->empty() && !prompt->front().is_number()) {
    if (prompt->size() > 1)
      throw wrong_field("prompt", "one prompt", fmt::format("{}", prompt->size()),
                        "send a request for each");
    prompt = &prompt->front();
  }
  if (prompt->is_string()) {
    const auto& text = prompt->get_ref<const std::string&>();
    if (text.size() > limits.text_bytes)
      throw wrong_field("prompt", "at most " + format_bytes(limits.text_bytes),
                        format_bytes(text.size()));
    request.prompt_text = text;
    return;
  }
  if (!prompt->is_array() || prompt->empty())
    throw wrong_field("prompt", "a string or a list of token ids", describe_json(*prompt));
  const Json ids = {{"prompt", *prompt}};
  request.prompt_ids = BodyFields(ids, "").token_ids("prompt", limits.prompt_ids);
}

}  // namespace

CompletionRequest read_completion_request(const Json& json, const ApiLimits& limits) {
  const BodyFields body(json, "");
  body.refuse({"use_beam_search", "min_tokens", "prompt_logprobs"},
              "leave it out, or ask without it");
  if (!body.string("suffix", "").empty())
    throw not_supported("suffix", "the answer goes on after the prompt");
  CompletionRequest out;
  read_prompt(body, limits, out.request);
  read_sampling(body, limits, out.request);
  if (body.integer("best_of", out.request.choices, 1, limits.choices) != out.request.choices)
    throw not_supported("best_of", "n answers are made, and n are sent");
  out.request.max_new_tokens = body.integer("max_tokens", 16, 1, int64_t{1} << 31);
  if (body.has("logprobs"))
    out.request.top_logprobs = body.integer("logprobs", 0, 0, limits.top_logprobs);
  out.echo = body.boolean("echo", false);
  if (out.echo && out.request.top_logprobs)
    throw not_supported("echo", "only the answer's tokens have log probabilities", "with logprobs");
  out.request.form = read_answer_form(body, limits);
  out.answer = read_stream_fields(body);
  return out;
}

}  // namespace tessera
