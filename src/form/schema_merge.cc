#include <algorithm>
#include <set>

#include "form/number_text.h"
#include "form/schema_reader.h"

namespace tessera {
namespace {

std::vector<std::string> strings_of(const Schema& schema, const char* keyword) {
  const Json& list = schema.at(keyword);
  std::vector<std::string> out;
  if (!list.is_array()) schema.refuse(keyword, "a list of strings");
  for (const Json& item : list) {
    if (!item.is_string()) schema.refuse(keyword, "a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::vector<std::string> common_types(const std::vector<std::string>& a,
                                      const std::vector<std::string>& b) {
  std::vector<std::string> out;
  for (const std::string& type : a)
    if (contains(b, type) || (type == "integer" && contains(b, "number"))) out.push_back(type);
  if (contains(a, "number") && contains(b, "integer") && !contains(out, "integer"))
    out.push_back("integer");
  return out;
}

Json both(const Json& a, const Json& b) {
  if (a == b) return a;
  return {{"allOf", {a, b}}};
}

// Members that one side declares and the other rules out.
void check_closed(const Schema& open, const Schema& closed) {
  if (!closed.has("additionalProperties")) return;
  const Json& rest = closed.at("additionalProperties");
  if (rest.is_boolean() && rest.get<bool>()) return;
  if (!open.has("properties") || !open.at("properties").is_object()) return;
  for (const auto& [name, value] : open.at("properties").items()) {
    const bool declared = closed.has("properties") && closed.at("properties").contains(name);
    if (!declared)
      closed.refuse("additionalProperties",
                    "schemas that hold together to declare the same members",
                    "one that rules out \"" + name + "\"");
  }
}

Json merge_properties(const Json& a, const Json& b) {
  Json out = a;
  for (const auto& [name, value] : b.items()) {
    const auto it = out.find(name);
    if (it == out.end())
      out[name] = value;
    else
      it.value() = both(it.value(), value);
  }
  return out;
}

// The bound that leaves less; both are numbers.
Json tighter(const Json& a, const Json& b, bool larger) {
  const auto x = decimal_of(a), y = decimal_of(b);
  if (!x || !y) return a;
  return less(*x, *y) == larger ? b : a;
}

Json merge_keyword(const std::string& keyword, const Schema& a, const Schema& b) {
  const Json& x = a.at(keyword.c_str());
  const Json& y = b.at(keyword.c_str());
  if (x == y) return x;
  if (keyword == "type") {
    const auto types = common_types(types_of(a), types_of(b));
    if (types.empty()) b.refuse("type", "a type that all schemas allow which hold together");
    return types;
  }
  if (keyword == "properties" && x.is_object() && y.is_object()) return merge_properties(x, y);
  if (keyword == "required") {
    Json out = strings_of(a, "required");
    for (const std::string& name : strings_of(b, "required"))
      if (std::find(out.begin(), out.end(), Json(name)) == out.end()) out.push_back(name);
    return out;
  }
  if (keyword == "enum" && x.is_array() && y.is_array()) {
    Json out = Json::array();
    for (const Json& value : x)
      if (std::find(y.begin(), y.end(), value) != y.end()) out.push_back(value);
    return out;
  }
  if (keyword == "items" || keyword == "additionalProperties") {
    if (x.is_boolean()) return x.get<bool>() ? y : x;
    if (y.is_boolean()) return y.get<bool>() ? x : y;
    return both(x, y);
  }
  const bool numbers = x.is_number() && y.is_number();
  if (numbers && (keyword == "minimum" || keyword == "exclusiveMinimum" || keyword == "minLength" ||
                  keyword == "minItems"))
    return tighter(x, y, true);
  if (numbers && (keyword == "maximum" || keyword == "exclusiveMaximum" || keyword == "maxLength" ||
                  keyword == "maxItems"))
    return tighter(x, y, false);
  b.refuse(keyword, "the same in all schemas that hold together");
}

// The values of enum or const; null when there are none.
const Json* first_values(const Schema& schema, Json& storage) {
  if (schema.has("const")) {
    storage = Json::array({schema.at("const")});
    return &storage;
  }
  return schema.has("enum") && schema.at("enum").is_array() ? &schema.at("enum") : nullptr;
}

bool disjoint_values(const Schema& a, const Schema& b) {
  Json a_storage, b_storage;
  const Json* x = first_values(a, a_storage);
  const Json* y = first_values(b, b_storage);
  if (x == nullptr || y == nullptr || x->size() * y->size() > 10'000) return false;
  return std::none_of(x->begin(), x->end(), [&](const Json& value) {
    return std::find(y->begin(), y->end(), value) != y->end();
  });
}

bool requires_member(const Schema& schema, const std::string& name) {
  return schema.has("required") && contains(strings_of(schema, "required"), name);
}

// Whether no object of a's form has a member that b requires.
bool lacks_required(const Schema& a, const Schema& b) {
  if (!a.has("properties") || !b.has("required")) return false;
  if (a.has("additionalProperties") && a.at("additionalProperties") != Json(false)) return false;
  const auto names = strings_of(b, "required");
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return !a.at("properties").contains(name) && !requires_member(a, name);
  });
}

bool disjoint_members(SchemaReader& reader, const Schema& a, const Schema& b) {
  if (lacks_required(a, b) && lacks_required(b, a)) return true;
  if (!a.has("properties") || !b.has("properties")) return false;
  const Json& x = a.at("properties");
  const Json& y = b.at("properties");
  if (!x.is_object() || !y.is_object()) return false;
  for (const auto& [name, value] : x.items()) {
    const auto other = y.find(name);
    if (other == y.end() || !requires_member(a, name) || !requires_member(b, name)) continue;
    if (disjoint_values(reader.expand(a.under(name, value)),
                        reader.expand(b.under(name, other.value()))))
      return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> types_of(const Schema& schema) {
  static const std::set<std::string> kTypes = {"object",  "array",   "string", "number",
                                               "integer", "boolean", "null"};
  std::vector<std::string> types;
  if (schema.has("type")) {
    const Json& type = schema.at("type");
    types = type.is_string() ? std::vector{type.get<std::string>()} : strings_of(schema, "type");
    for (const std::string& name : types)
      if (!kTypes.contains(name)) schema.refuse("type", "a type of JSON Schema", name);
    if (types.empty()) schema.refuse("type", "at least one type");
  } else {
    const auto says = [&](std::initializer_list<const char*> keywords) {
      return std::any_of(keywords.begin(), keywords.end(),
                         [&](const char* keyword) { return schema.has(keyword); });
    };
    if (says({"properties", "required", "additionalProperties"})) types.emplace_back("object");
    if (says({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}))
      types.emplace_back("array");
    if (says({"minLength", "maxLength", "pattern", "format"})) types.emplace_back("string");
    if (says({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}))
      types.emplace_back("number");
  }
  const bool nullable = schema.has("nullable") && schema.at("nullable") == Json(true);
  if (nullable && !types.empty() && !contains(types, "null")) types.emplace_back("null");
  return types;
}

bool are_disjoint(SchemaReader& reader, const Schema& a, const Schema& b) {
  if (a.json->is_boolean() || b.json->is_boolean()) return false;
  if (disjoint_values(a, b)) return true;
  const auto x = types_of(a), y = types_of(b);
  if (x.empty() || y.empty()) return false;
  const auto common = common_types(x, y);
  if (common.empty()) return true;
  return common.size() == 1 && common[0] == "object" && disjoint_members(reader, a, b);
}

Json merge_keywords(const Schema& a, const Schema& b) {
  check_closed(a, b);
  check_closed(b, a);
  Json out = *a.json;
  for (const auto& [keyword, value] : b.json->items()) {
    const bool mine = a.has(keyword.c_str());
    out[keyword] = mine && keyword != "nullable" ? merge_keyword(keyword, a, b) : value;
  }
  // A null is allowed where both allow it; with "type" it already is in the list.
  if (a.has("nullable") != b.has("nullable")) out.erase("nullable");
  return out;
}

}  // namespace tessera
