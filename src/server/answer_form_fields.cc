#include "server/answer_form_fields.h"

#include <utility>
#include <vector>

#include "base/units.h"

namespace tessera {
namespace {

using Kind = AnswerForm::Kind;

AnswerForm checked(AnswerForm form, const std::string& param, const ApiLimits& limits) {
  if (form.definition.size() > limits.form_bytes)
    throw wrong_field(param, "at most " + format_bytes(limits.form_bytes),
                      format_bytes(form.definition.size()));
  return form;
}

// A schema, as an object or as the text of one.
AnswerForm schema_form(const Json& schema, const std::string& param) {
  if (schema.is_object() || schema.is_boolean())
    return {.kind = Kind::kJsonSchema, .definition = schema.dump()};
  if (schema.is_string())
    return {.kind = Kind::kJsonSchema, .definition = schema.get<std::string>()};
  throw wrong_field(param, "a JSON schema", describe_json(schema));
}

AnswerForm regex_form(const Json& value, const std::string& param) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty())
    throw wrong_field(param, "a regular expression", describe_json(value));
  return {.kind = Kind::kRegex, .definition = value.get<std::string>()};
}

// One of a list of texts, as an expression.
AnswerForm choice_form(const Json& value, const std::string& param) {
  if (!value.is_array() || value.empty())
    throw wrong_field(param, "a list of strings", describe_json(value));
  std::string expression;
  for (const Json& choice : value) {
    if (!choice.is_string() || choice.get_ref<const std::string&>().empty())
      throw wrong_field(param, "strings", describe_json(choice));
    if (!expression.empty()) expression += '|';
    for (const char c : choice.get_ref<const std::string&>()) {
      if (std::string_view("\\^$.|?*+()[]{}/-").find(c) != std::string_view::npos)
        expression += '\\';
      expression += c;
    }
  }
  return {.kind = Kind::kRegex, .definition = "(" + expression + ")"};
}

AnswerForm response_format(const BodyFields& format) {
  const std::string type = format.string("type", "");
  if (type == "text") return {};
  if (type == "json_object")
    return format.has("schema") ? schema_form(format.at("schema"), format.path("schema"))
                                : AnswerForm{.kind = Kind::kJson};
  if (type == "json_schema") {
    const BodyFields outer(format.at("json_schema"), format.path("json_schema"));
    return schema_form(outer.at("schema"), outer.path("schema"));
  }
  throw wrong_field(format.path("type"), "text, json_object or json_schema",
                    format.has("type") ? describe_json(format.at("type")) : "nothing");
}

AnswerForm structured_outputs(const BodyFields& outputs) {
  outputs.refuse({"grammar", "structural_tag"}, "give a JSON schema or a regular expression");
  std::vector<std::pair<std::string, AnswerForm>> forms;
  const auto add = [&](const std::string& key, const auto& read) {
    if (outputs.has(key)) forms.emplace_back(key, read(outputs.at(key), outputs.path(key)));
  };
  add("json", schema_form);
  add("regex", regex_form);
  add("choice", choice_form);
  if (outputs.boolean("json_object", false))
    forms.emplace_back("json_object", AnswerForm{.kind = Kind::kJson});
  if (forms.size() > 1)
    throw wrong_field(outputs.path(forms[1].first), "one form of the answer",
                      forms[0].first + " as well");
  return forms.empty() ? AnswerForm{} : forms[0].second;
}

}  // namespace

AnswerForm read_answer_form(const BodyFields& body, const ApiLimits& limits) {
  body.refuse({"grammar", "guided_grammar"}, "give a JSON schema or a regular expression");
  AnswerForm form;
  std::string named;
  const auto take = [&](const std::string& key, const auto& read) {
    if (!body.has(key)) return;
    AnswerForm read_form = checked(read(body.at(key)), key, limits);
    if (read_form.kind == Kind::kAny) return;
    if (!named.empty()) throw wrong_field(key, "one form of the answer", named + " as well");
    form = std::move(read_form);
    named = key;
  };
  const auto object = [](const std::string& key, const auto& read) {
    return [key, read](const Json& value) { return read(BodyFields(value, key)); };
  };
  const auto at = [](const std::string& key, const auto& read) {
    return [key, read](const Json& value) { return read(value, key); };
  };
  take("response_format", object("response_format", response_format));
  take("structured_outputs", object("structured_outputs", structured_outputs));
  take("json_schema", at("json_schema", schema_form));
  take("guided_json", at("guided_json", schema_form));
  take("guided_regex", at("guided_regex", regex_form));
  take("guided_choice", at("guided_choice", choice_form));
  return form;
}

}  // namespace tessera
