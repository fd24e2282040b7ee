#include "server/model_routes.h"

#include <algorithm>

#include "server/json_response.h"
#include "server/model_names.h"

namespace tessera {
namespace {

constexpr std::string_view kModels = "/v1/models/";

Json model_json(const ApiContext& context, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", context.created_s},
          {"owned_by", "tessera"},
          {"root", context.engine.model_name()},
          {"max_model_len", context.engine.context()},
          {"takes_pictures", context.engine.takes_pictures()}};
}

void list_models(const ApiContext& context, Exchange& exchange) {
  Json data = Json::array();
  for (const std::string& name : model_names(context)) data.push_back(model_json(context, name));
  exchange.respond(json_response({{"object", "list"}, {"data", std::move(data)}}));
}

void show_model(const ApiContext& context, Exchange& exchange) {
  const std::string name = exchange.request().path.substr(kModels.size());
  const std::vector<std::string> names = model_names(context);
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw model_not_found(context, name);
  exchange.respond(json_response(model_json(context, name)));
}

// The text under "prompt" as vLLM has it, or "content" as llama.cpp does. No special tokens are
// added and none are read: what a stranger writes is text.
void tokenize_text(const ApiContext& context, Exchange& exchange) {
  const Json json = parse_body(exchange.request().body);
  const BodyFields body(json, "");
  asked_model(context, body);
  body.refuse({"messages"}, "give the text as \"prompt\"");
  const std::string key = body.has("content") && !body.has("prompt") ? "content" : "prompt";
  if (key == "prompt" && body.has("content"))
    throw wrong_field("content", "one text", "a prompt as well");
  body.at(key);
  const std::string text = body.string(key, "");
  if (text.size() > context.options.limits.text_bytes)
    throw wrong_field(key, "at most " + format_bytes(context.options.limits.text_bytes),
                      format_bytes(text.size()));
  const std::vector<int32_t> tokens = context.engine.tokenize(text);
  exchange.respond(json_response(
      {{"tokens", tokens}, {"count", tokens.size()}, {"max_model_len", context.engine.context()}}));
}

void detokenize_ids(const ApiContext& context, Exchange& exchange) {
  const Json json = parse_body(exchange.request().body);
  const BodyFields body(json, "");
  asked_model(context, body);
  body.at("tokens");
  const std::string text =
      context.engine.detokenize(body.token_ids("tokens", context.options.limits.prompt_ids));
  exchange.respond(json_response({{"prompt", text}, {"content", text}}));
}

}  // namespace

std::vector<Route> model_routes(const ApiContextPtr& context) {
  const auto route = [&](std::string method, std::string path, auto* handle) {
    return Route{.method = std::move(method),
                 .path = std::move(path),
                 .handler = [context, handle](const std::shared_ptr<Exchange>& exchange) {
                   handle(*context, *exchange);
                 }};
  };
  return {route("GET", "/v1/models", list_models),
          route("GET", std::string(kModels) + "*", show_model),
          route("POST", "/tokenize", tokenize_text), route("POST", "/detokenize", detokenize_ids)};
}

}  // namespace tessera
