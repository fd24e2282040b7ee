#include <fmt/format.h>

#include "form/form_limits.h"
#include "form/number_range.h"
#include "form/pattern_writer.h"
#include "form/schema_compiler.h"
#include "form/string_formats.h"

namespace tessera {
namespace {

bool fits_type(const Json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "number") return value.is_number();
  return value.is_number_integer();
}

bool has_any(const Schema& schema, std::initializer_list<const char*> keywords) {
  for (const char* keyword : keywords)
    if (schema.has(keyword)) return true;
  return false;
}

const char* string_of(const Schema& schema, const char* keyword) {
  if (!schema.at(keyword).is_string()) schema.refuse(keyword, "a string");
  return schema.at(keyword).get_ref<const std::string&>().c_str();
}

}  // namespace

int count_of(const Schema& schema, const char* keyword, int fallback) {
  if (!schema.has(keyword)) return fallback;
  const Json& value = schema.at(keyword);
  const std::string expected = fmt::format("a whole number up to {}", kMaxRepeats);
  if (!value.is_number()) schema.refuse(keyword, expected);
  const auto number = value.get<double>();
  if (!(number >= 0 && number <= kMaxRepeats) || number != static_cast<int>(number))
    schema.refuse(keyword, expected);
  return static_cast<int>(number);
}

// What is cheaper to write than to call: keywords whose values are a few bytes or a call.
bool SchemaCompiler::is_small(const Schema& schema) {
  if (schema.json->is_boolean() || schema.has("anyOf") || schema.has("oneOf")) return false;
  if (schema.has("const") || schema.has("enum")) {
    const Json& values = schema.has("const") ? schema.at("const") : schema.at("enum");
    if (values.is_structured())
      for (const Json& value : values)
        if (value.is_structured()) return false;
    constexpr size_t kSmallBytes = 80;
    return !values.is_object() && values.dump().size() < kSmallBytes;
  }
  const auto types = types_of(schema);
  if (types.empty()) return false;
  for (const std::string& type : types)
    if (type == "object" || type == "array") return false;
  return !has_any(schema, {"minLength", "maxLength", "pattern", "format", "minimum", "maximum",
                           "exclusiveMinimum", "exclusiveMaximum", "multipleOf"});
}

uint32_t SchemaCompiler::constants(uint32_t from, const Schema& schema) {
  Json values = Json::array();
  if (schema.has("enum")) {
    values = schema.at("enum");
    if (!values.is_array() || values.empty()) schema.refuse("enum", "a list of values");
  } else {
    values.push_back(schema.at("const"));
  }
  for (const char* keyword :
       {"properties", "required", "additionalProperties", "items", "prefixItems", "minItems",
        "maxItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
    if (schema.has(keyword))
      schema.refuse(keyword, "no more than \"type\" beside enum and const", "it");
  const auto types = types_of(schema);
  const uint32_t end = nfa().node();
  bool any = false;
  for (const Json& value : values) {
    if (schema.has("const") && value != schema.at("const")) continue;
    bool fits = types.empty();
    for (const std::string& type : types) fits = fits || fits_type(value, type);
    if (!fits) continue;
    any = true;
    nfa().empty(constant(from, value, schema.path), end);
  }
  if (!any)
    schema.refuse(schema.has("enum") ? "enum" : "const", "a value of the type that is asked for");
  return end;
}

uint32_t SchemaCompiler::constant(uint32_t from, const Json& value, const std::string& path) {
  if (value.is_string())
    return json_.literal_string(from, value.get_ref<const std::string&>(), path);
  if (!value.is_structured()) return nfa().text(from, value.dump());
  const bool object = value.is_object();
  uint32_t at = json_.blanks(nfa().byte(from, object ? '{' : '['));
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!first) at = json_.comma(at);
    first = false;
    if (object) at = json_.colon(json_.literal_string(at, key, path));
    at = json_.blanks(constant(at, item, path));
  }
  return nfa().byte(at, object ? '}' : ']');
}

uint32_t SchemaCompiler::string(uint32_t from, const Schema& schema) {
  const int least = count_of(schema, "minLength", 0), most = count_of(schema, "maxLength", -1);
  if (most >= 0 && least > most) schema.refuse("minLength", "no more than maxLength");
  const bool counted = least > 0 || most >= 0;
  if (!has_any(schema, {"pattern", "format"}))
    return counted ? json_.counted_string(from, least, most) : json_.string(from);

  std::vector<WriteTexts> languages;
  if (schema.has("pattern")) {
    const std::string pattern = string_of(schema, "pattern");
    languages.push_back(
        [pattern, place = schema.path + ".pattern"](JsonGrammar& parts, uint32_t at) {
          return write_pattern(parts.nfa(), at, pattern, PatternExtent::kSearch,
                               Spelling::kJsonString, place);
        });
  }
  if (schema.has("format")) {
    const std::string_view pattern = pattern_of_format(string_of(schema, "format"));
    if (pattern.empty()) schema.refuse("format", "one of " + known_formats());
    languages.push_back([pattern](JsonGrammar& parts, uint32_t at) {
      return write_pattern(parts.nfa(), at, pattern, PatternExtent::kWhole, Spelling::kJsonString,
                           "format");
    });
  }
  if (counted)
    languages.push_back([least, most](JsonGrammar& parts, uint32_t at) {
      return parts.nfa().repeat(at, least, most, [&](uint32_t begin) {
        const uint32_t to = parts.nfa().node();
        write_character(parts.nfa(), begin, CodePointSet::all(), Spelling::kJsonString, to);
        return to;
      });
    });
  const uint32_t end = write_intersection(json_, nfa().byte(from, '"'), languages, schema.path);
  return nfa().byte(end, '"');
}

uint32_t SchemaCompiler::number(uint32_t from, const Schema& schema, bool integer) {
  NumberRange range = {.integer = integer};
  const auto bound = [&](const char* keyword) -> std::optional<Decimal> {
    if (!schema.has(keyword)) return {};
    if (!schema.at(keyword).is_number()) schema.refuse(keyword, "a number");
    auto decimal = decimal_of(schema.at(keyword));
    if (!decimal) schema.refuse(keyword, "a number of at most 40 digits");
    return decimal;
  };
  range.least = bound("minimum");
  range.most = bound("maximum");
  const auto above = bound("exclusiveMinimum"), below = bound("exclusiveMaximum");
  if (above && (!range.least || !less(*above, *range.least))) {
    range.least = above;
    range.above = true;
  }
  if (below && (!range.most || !less(*range.most, *below))) {
    range.most = below;
    range.below = true;
  }
  if (schema.has("multipleOf")) {
    constexpr int kMostMultiple = 1000;
    const Json& of = schema.at("multipleOf");
    const bool whole = of.is_number() && of.get<double>() >= 1 &&
                       of.get<double>() <= kMostMultiple &&
                       of.get<double>() == static_cast<int>(of.get<double>());
    if (!integer || !whole)
      schema.refuse("multipleOf", fmt::format("1 to {}, of type integer", kMostMultiple));
    range.multiple_of = static_cast<int>(of.get<double>());
  }
  if (!range.least && !range.most && range.multiple_of <= 1)
    return integer ? json_.integer(from) : json_.number(from);
  return write_number_range(json_, from, range, schema.path);
}

}  // namespace tessera
