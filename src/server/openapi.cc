#include "server/openapi.h"

#include <map>

#include "base/json.h"
#include "server/model_names.h"

namespace tessera {
namespace {

using Values = std::map<std::string, Json, std::less<>>;

Values values_of(const ApiContext& context) {
  const ApiLimits& limits = context.options.limits;
  Json models = model_names(context);
  models.push_back(nullptr);
  return {{"@models", std::move(models)},         {"@messages", limits.messages},
          {"@choices", limits.choices},           {"@stops", limits.stops},
          {"@stop_ids", limits.stop_ids},         {"@biases", limits.biases},
          {"@top_logprobs", limits.top_logprobs}, {"@prompt_ids", limits.prompt_ids},
          {"@context", context.engine.context()}};
}

void fill(Json& json, const Values& values) {
  if (json.is_string()) {
    const auto it = values.find(json.get_ref<const std::string&>());
    if (it != values.end()) json = it->second;
  } else if (json.is_structured()) {
    for (Json& child : json) fill(child, values);
  }
}

Json ref(const std::string& response) {
  return {{"$ref", "#/components/responses/" + response}};
}

// What any route may answer.
void add_errors(Json& paths) {
  for (Json& path : paths)
    for (Json& operation : path) {
      if (!operation.contains("responses")) continue;
      Json& responses = operation["responses"];
      responses["4XX"] = ref("Refused");
      responses["5XX"] = ref("Failed");
    }
}

Json error_response_json(const std::string& description, bool retry) {
  Json response = {{"description", description}};
  if (retry)
    response["headers"]["Retry-After"] = {{"description", "Seconds to wait before asking again"},
                                          {"schema", {{"type", "integer"}, {"minimum", 1}}}};
  response["content"]["application/json"]["schema"] = {{"$ref", "#/components/schemas/Error"}};
  return response;
}

Json components() {
  Json schemas = parse_json(openapi_requests(), "openapi");
  schemas.update(parse_json(openapi_answers(), "openapi"));
  Json responses = Json::object();
  responses["Refused"] = error_response_json("The request is at fault; the error says what", false);
  responses["Failed"] = error_response_json("The server is at fault", false);
  responses["Busy"] = error_response_json("Too many requests wait", true);
  responses["NotReady"] = error_response_json("The engine cannot serve now", true);
  Json key = {{"type", "http"}, {"scheme", "bearer"}};
  key["description"] = "Asked for when the server runs with a file of keys";
  return {{"schemas", std::move(schemas)},
          {"responses", std::move(responses)},
          {"securitySchemes", {{"key", std::move(key)}}}};
}

}  // namespace

std::string openapi_text(const ApiContext& context) {
  Json paths = parse_json(openapi_paths(), "openapi");
  add_errors(paths);
  Json document = {{"openapi", "3.1.0"}};
  document["info"] = {{"title", "Tessera"},
                      {"description",
                       "OpenAI-compatible API of tessera serve. A field that is null counts as "
                       "absent; fields that the server does not know are ignored."},
                      {"license", {{"name", "see LICENSE"}}},
                      {"version", context.options.version.empty() ? "0" : context.options.version}};
  document["security"] = Json::array({{{"key", Json::array()}}, Json::object()});
  document["paths"] = std::move(paths);
  document["components"] = components();
  fill(document, values_of(context));
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera
