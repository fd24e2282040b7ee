#include "form/schema_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "form/form_limits.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int kMaxSchemaNesting = 128;
constexpr int kMaxReferences = 64;          // one to the next, parts in parts
constexpr size_t kMaxValuesMade = 500'000;  // by merging

constexpr std::array<std::string_view, 19> kAnnotations = {"title",
                                                           "description",
                                                           "default",
                                                           "examples",
                                                           "example",
                                                           "deprecated",
                                                           "readOnly",
                                                           "writeOnly",
                                                           "$comment",
                                                           "$schema",
                                                           "$id",
                                                           "$defs",
                                                           "$anchor",
                                                           "definitions",
                                                           "externalDocs",
                                                           "discriminator",
                                                           "contentMediaType",
                                                           "contentEncoding",
                                                           "nullable"};
constexpr std::array<std::string_view, 24> kKeywords = {"type",
                                                        "enum",
                                                        "const",
                                                        "anyOf",
                                                        "oneOf",
                                                        "allOf",
                                                        "$ref",
                                                        "properties",
                                                        "required",
                                                        "additionalProperties",
                                                        "items",
                                                        "prefixItems",
                                                        "minItems",
                                                        "maxItems",
                                                        "uniqueItems",
                                                        "minLength",
                                                        "maxLength",
                                                        "pattern",
                                                        "format",
                                                        "minimum",
                                                        "maximum",
                                                        "exclusiveMinimum",
                                                        "exclusiveMaximum",
                                                        "multipleOf"};

bool is_annotation(std::string_view keyword) {
  return keyword.starts_with("x-") ||
         std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end();
}

void check_keywords(const Schema& schema) {
  if (schema.json->is_boolean()) return;
  if (!schema.json->is_object())
    refuse_form(schema.path, "a schema: an object, true or false", describe_json(*schema.json));
  for (const auto& [keyword, value] : schema.json->items()) {
    if (is_annotation(keyword)) continue;
    if (std::find(kKeywords.begin(), kKeywords.end(), keyword) == kKeywords.end())
      schema.refuse(keyword, "a keyword that Tessera can hold an answer to", "another");
  }
}

size_t values_in(const Json& json) {
  size_t count = 1;
  if (json.is_structured())
    for (const Json& item : json) count += values_in(item);
  return count;
}

// A step of a JSON pointer in a URI: %XX, then ~1 and ~0 (RFC 6901, section 6).
std::string pointer_step(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      bytes +=
          static_cast<char>(std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      bytes += text[i];
    }
  }
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '~' && i + 1 < bytes.size() && (bytes[i + 1] == '0' || bytes[i + 1] == '1'))
      out += bytes[++i] == '0' ? '~' : '/';
    else
      out += bytes[i];
  }
  return out;
}

}  // namespace

void Schema::refuse(const std::string& keyword, const std::string& expected,
                    const std::string& found) const {
  std::string what = found;
  if (what.empty() && json->is_object() && json->contains(keyword))
    what = describe_json(json->find(keyword).value());
  refuse_form(path + "." + keyword, expected, what);
}

SchemaReader::SchemaReader(std::string_view text) {
  if (text.size() > kMaxSchemaBytes)
    refuse_large_form("schema", fmt::format("at most {} bytes", kMaxSchemaBytes));
  try {
    root_ = parse_json(text, "form", kMaxSchemaNesting);
  } catch (const Error& e) {
    throw UsageError(e.parts());
  }
}

bool SchemaReader::says_nothing(const Schema& schema) {
  if (schema.json->is_boolean()) return schema.json->get<bool>();
  for (const auto& [keyword, value] : schema.json->items())
    if (!is_annotation(keyword) || keyword == "nullable") return false;
  return true;
}

Schema SchemaReader::keep(Json json, const std::string& path) {
  values_made_ += values_in(json);
  if (values_made_ > kMaxValuesMade)
    refuse_large_form(path, fmt::format("at most {} values in merged schemas", kMaxValuesMade));
  made_.push_back(std::move(json));
  return {&made_.back(), path};
}

Schema SchemaReader::without(const Schema& schema, const char* keyword) {
  Json json = Json::object();
  for (const auto& [key, value] : schema.json->items())
    if (key != keyword && (!is_annotation(key) || key == "nullable")) json[key] = value;
  return keep(std::move(json), schema.path);
}

Schema SchemaReader::target_of(const Schema& schema, const Json& reference) const {
  if (!reference.is_string()) schema.refuse("$ref", "a string");
  const auto& text = reference.get_ref<const std::string&>();
  if (text != "#" && !text.starts_with("#/"))
    schema.refuse("$ref", "a reference within the schema: #/...");
  const Json* at = &root_;
  for (size_t begin = 1; begin < text.size();) {
    const size_t end = std::min(text.find('/', begin + 1), text.size());
    const std::string step =
        pointer_step(std::string_view(text).substr(begin + 1, end - begin - 1));
    const Json* next = nullptr;
    if (at->is_object()) {
      const auto it = at->find(step);
      if (it != at->end()) next = &it.value();
    } else if (at->is_array() && !step.empty() && step.size() < 6 &&
               step.find_first_not_of("0123456789") == step.npos) {
      const size_t index = std::stoul(step);
      if (index < at->size()) next = &(*at)[index];
    }
    if (next == nullptr) schema.refuse("$ref", "a reference to something that is there");
    at = next;
    begin = end;
  }
  return {at, text == "#" ? "schema" : text};
}

Schema SchemaReader::expand(const Schema& schema) {
  return expand_within(schema, 0);
}

Schema SchemaReader::expand_within(const Schema& schema, int depth) {
  if (depth > kMaxReferences)
    refuse_large_form(
        schema.path, fmt::format("at most {} references that lead to one another", kMaxReferences));
  const auto known = expanded_.find(schema.json);
  if (known != expanded_.end()) return known->second;
  check_keywords(schema);
  Schema out = schema;
  if (schema.has("$ref")) {
    const Schema rest = without(schema, "$ref");
    out = expand_within(target_of(schema, schema.at("$ref")), depth + 1);
    if (!says_nothing(rest)) out = merge(out, expand_within(rest, depth + 1));
  } else if (schema.has("allOf")) {
    const Json& parts = schema.at("allOf");
    if (!parts.is_array() || parts.empty()) schema.refuse("allOf", "a list of schemas");
    out = without(schema, "allOf");
    for (size_t i = 0; i < parts.size(); ++i) {
      const Schema part = schema.under(fmt::format("allOf[{}]", i), parts[i]);
      out = merge(out, expand_within(part, depth + 1));
    }
  }
  expanded_.emplace(schema.json, out);
  return out;
}

Schema SchemaReader::merge(const Schema& a, const Schema& b) {
  if (says_nothing(a)) return b;
  if (says_nothing(b)) return a;
  if (a.json->is_boolean()) return a;  // false
  if (b.json->is_boolean()) return b;
  return keep(merge_keywords(a, b), b.path);
}

}  // namespace tessera
