#include "server/model_names.h"

#include <algorithm>

namespace tessera {

std::vector<std::string> model_names(const ApiContext& context) {
  std::vector<std::string> names = {context.engine.model_name()};
  for (const std::string& alias : context.options.model_aliases)
    if (std::find(names.begin(), names.end(), alias) == names.end()) names.push_back(alias);
  return names;
}

HttpError model_not_found(const ApiContext& context, const std::string& name) {
  return HttpError({.status = 404, .code = "model_not_found", .param = "model"},
                   {.where = "request",
                    .what = "model",
                    .expected = context.engine.model_name(),
                    .found = name.substr(0, 200),
                    .hint = "GET /v1/models lists them"});
}

std::string asked_model(const ApiContext& context, const BodyFields& body) {
  if (!body.has("model")) return context.engine.model_name();
  std::string name = body.string("model", "");
  const std::vector<std::string> names = model_names(context);
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw model_not_found(context, name);
  return name;
}

}  // namespace tessera
