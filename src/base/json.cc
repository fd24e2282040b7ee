#include "base/json.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "base/file.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// nlohmann's ordered object finds a key by walking its members, so n of them cost n^2 / 2 steps.
constexpr size_t kMaxMembers = 10'000;

// Sees the document event by event, so that a hostile one is refused before it is built.
class Guard {
 public:
  Guard(const std::string& where, int max_depth) : where_(where), max_depth_(max_depth) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        keys_.emplace_back();
        [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= max_depth_)
          throw Error({.where = where_,
                       .what = "JSON nesting",
                       .expected = fmt::format("at most {} levels", max_depth_),
                       .found = "more"});
        break;
      case Json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys_.back().insert(parsed.get<std::string>()).second)
          throw Error({.where = where_,
                       .what = parsed.get<std::string>().substr(0, 200),
                       .expected = "each key once",
                       .found = "it twice in one object"});
        if (keys_.back().size() > kMaxMembers)
          throw Error({.where = where_,
                       .what = "JSON object",
                       .expected = fmt::format("at most {} members", kMaxMembers),
                       .found = "more"});
        break;
      default:
        break;
    }
    return true;
  }

 private:
  const std::string& where_;
  const int max_depth_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where, int max_depth) {
  // nlohmann takes a NUL for the end of the document, and whatever follows would go unseen.
  if (const size_t nul = text.find('\0'); nul != text.npos)
    throw Error(
        {.where = where, .what = "not valid JSON", .found = fmt::format("a NUL at byte {}", nul)});
  try {
    Guard guard(where, max_depth);
    return Json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const Json::exception& e) {
    // nlohmann's message begins with "[json.exception.parse_error.101] parse error at ..."
    const std::string message = e.what();
    const size_t bracket = message.find("] ");
    throw Error(
        {.where = where,
         .what = "not valid JSON",
         .found = message.substr(bracket == message.npos ? 0 : bracket + 2).substr(0, 200)});
  }
}

Json read_json_file(const std::string& path, uint64_t max_bytes) {
  return parse_json(read_file(path, max_bytes), path);
}

std::string describe_json(const Json& json) {
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

JsonReader::JsonReader(const Json& json, std::string where, std::string path)
    : json_(&json), where_(std::move(where)), path_(std::move(path)) {
  if (!json.is_object())
    throw Error({.where = where_,
                 .what = path_,
                 .expected = "a JSON object",
                 .found = describe_json(json)});
}

std::string JsonReader::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

void JsonReader::fail(const std::string& key, const std::string& expected, const std::string& found,
                      const std::string& hint) const {
  throw Error(
      {.where = where_, .what = path_of(key), .expected = expected, .found = found, .hint = hint});
}

bool JsonReader::has(const std::string& key) const {
  const auto it = json_->find(key);
  return it != json_->end() && !it->is_null();
}

const Json& JsonReader::at(const std::string& key) const {
  const auto it = json_->find(key);
  if (it == json_->end()) fail(key, "this key", "none");
  return *it;
}

int64_t JsonReader::integer(const std::string& key, int64_t min, int64_t max) const {
  const Json& value = at(key);
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  if (!value.is_number_integer()) fail(key, expected, describe_json(value));
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    fail(key, expected, describe_json(value));
  const auto number = value.get<int64_t>();
  if (number < min || number > max) fail(key, expected, describe_json(value));
  return number;
}

int64_t JsonReader::integer_or(const std::string& key, int64_t fallback, int64_t min,
                               int64_t max) const {
  return has(key) ? integer(key, min, max) : fallback;
}

double JsonReader::number(const std::string& key, double min, double max) const {
  const Json& value = at(key);
  const std::string expected = fmt::format("a number from {:g} to {:g}", min, max);
  if (!value.is_number()) fail(key, expected, describe_json(value));
  const auto number = value.get<double>();
  if (!(number >= min && number <= max)) fail(key, expected, describe_json(value));
  return number;
}

double JsonReader::number_or(const std::string& key, double fallback, double min,
                             double max) const {
  return has(key) ? number(key, min, max) : fallback;
}

bool JsonReader::boolean(const std::string& key) const {
  const Json& value = at(key);
  if (!value.is_boolean()) fail(key, "true or false", describe_json(value));
  return value.get<bool>();
}

bool JsonReader::boolean_or(const std::string& key, bool fallback) const {
  return has(key) ? boolean(key) : fallback;
}

std::string JsonReader::string(const std::string& key) const {
  const Json& value = at(key);
  if (!value.is_string()) fail(key, "a string", describe_json(value));
  return value.get<std::string>();
}

std::string JsonReader::string_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? string(key) : fallback;
}

std::vector<double> JsonReader::numbers(const std::string& key, size_t count) const {
  const Json& value = at(key);
  const std::string expected = fmt::format("{} numbers", count);
  if (!value.is_array() || value.size() != count) fail(key, expected, describe_json(value));
  std::vector<double> out;
  for (const Json& item : value) {
    if (!item.is_number() || !std::isfinite(item.get<double>()))
      fail(key, expected, describe_json(value));
    out.push_back(item.get<double>());
  }
  return out;
}

JsonReader JsonReader::object(const std::string& key) const {
  return {at(key), where_, path_of(key)};
}

std::vector<JsonReader> JsonReader::objects(const std::string& key) const {
  const Json& value = at(key);
  if (!value.is_array()) fail(key, "a list of objects", describe_json(value));
  std::vector<JsonReader> out;
  for (size_t i = 0; i < value.size(); ++i)
    out.emplace_back(value[i], where_, fmt::format("{}[{}]", path_of(key), i));
  return out;
}

}  // namespace tessera
