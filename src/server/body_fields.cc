#include "server/body_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>

namespace tessera {
namespace {

// 256.0 is an integer to JSON Schema, and some clients write one.
std::optional<int64_t> whole_number(const Json& value) {
  if (value.is_number_float()) {
    constexpr double kExact = 9007199254740992.0;  // up to here a double is the number written
    const double real = value.get<double>();
    if (!(std::abs(real) <= kExact) || std::trunc(real) != real) return std::nullopt;
    return static_cast<int64_t>(real);
  }
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})
    return std::nullopt;
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<int64_t>();
}

}  // namespace

Json parse_body(const std::string& body) {
  Json json;
  try {
    json = parse_json(body, "request");
  } catch (const Error& error) {
    throw HttpError({}, error.parts());
  }
  if (!json.is_object())
    throw HttpError(
        {}, {.where = "request", .expected = "a JSON object", .found = describe_json(json)});
  return json;
}

BodyFields::BodyFields(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {
  if (!json.is_object()) throw wrong_field(path_, "an object", describe_json(json));
}

bool BodyFields::has(const std::string& key) const {
  const auto it = json_->find(key);
  return it != json_->end() && !it->is_null();
}

const Json& BodyFields::at(const std::string& key) const {
  const auto it = json_->find(key);
  if (it == json_->end() || it->is_null())
    throw HttpError(
        {.code = "missing_required_parameter", .param = path(key)},
        {.where = "request", .what = path(key), .found = "nothing", .hint = "required"});
  return *it;
}

std::string BodyFields::path(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

bool BodyFields::boolean(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  const Json& value = at(key);
  if (!value.is_boolean()) throw wrong_field(path(key), "true or false", describe_json(value));
  return value.get<bool>();
}

int64_t BodyFields::integer(const std::string& key, int64_t fallback, int64_t min,
                            int64_t max) const {
  if (!has(key)) return fallback;
  const std::optional<int64_t> whole = whole_number(at(key));
  if (!whole || *whole < min || *whole > max)
    throw wrong_field(path(key), fmt::format("a whole number from {} to {}", min, max),
                      describe_json(at(key)));
  return *whole;
}

double BodyFields::number(const std::string& key, double fallback, double min, double max) const {
  if (!has(key)) return fallback;
  const Json& value = at(key);
  if (value.is_number()) {
    const auto real = value.get<double>();
    if (real >= min && real <= max) return real;
  }
  throw wrong_field(path(key), fmt::format("a number from {} to {}", min, max),
                    describe_json(value));
}

std::string BodyFields::string(const std::string& key, const std::string& fallback) const {
  if (!has(key)) return fallback;
  const Json& value = at(key);
  if (!value.is_string()) throw wrong_field(path(key), "a string", describe_json(value));
  return value.get<std::string>();
}

std::vector<int32_t> BodyFields::token_ids(const std::string& key, size_t max_count) const {
  if (!has(key)) return {};
  const Json& list = at(key);
  if (!list.is_array()) throw wrong_field(path(key), "a list of token ids", describe_json(list));
  if (list.size() > max_count)
    throw wrong_field(path(key), fmt::format("at most {} token ids", max_count),
                      fmt::format("{}", list.size()));
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json& value : list) {
    const std::optional<int64_t> id = whole_number(value);
    if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max())
      throw wrong_field(element_path(path(key), ids.size()), "a token id", describe_json(value));
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

void BodyFields::refuse(const std::vector<std::string>& keys, const std::string& hint) const {
  for (const std::string& key : keys) {
    if (!has(key)) continue;
    const Json& value = at(key);
    const bool harmless = (value.is_boolean() && !value.get<bool>()) ||
                          (value.is_number() && value.get<double>() == 0) ||
                          (!value.is_primitive() && value.empty());
    if (!harmless) throw not_supported(path(key), hint);
  }
}

std::string element_path(const std::string& list, size_t index) {
  return fmt::format("{}[{}]", list, index);
}

}  // namespace tessera
