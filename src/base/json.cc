#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/file.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// nlohmann's ordered object finds a key by walking its members, and its tree builder walks a list
// after each object in it, so n of them cost n^2 / 2 steps.
constexpr size_t kMaxMembers = 10'000;

// Sees the document event by event, so that a hostile one is refused before it is built.
class Guard {
 public:
  Guard(const std::string& where, int max_depth, std::span<const JsonTable> tables)
      : where_(where), max_depth_(max_depth), tables_(tables) {}

  // What it returns says whether nlohmann keeps the key or value in the tree.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        enter(depth, event == Json::parse_event_t::object_start);
        return true;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        levels_.pop_back();
        return keep(parsed);
      case Json::parse_event_t::key:
        return keep_key(parsed.get_ref<const std::string&>());
      case Json::parse_event_t::value:
        return keep(parsed);
    }
    return true;
  }

 private:
  struct Level {
    bool object = false;
    const JsonTable* table = nullptr;
    std::string key;             // the last one, in an object
    std::set<std::string> keys;  // all of them, unless it is a table
    size_t objects = 0;          // directly inside, in a list
  };

  [[noreturn]] void refuse(const std::string& what, const std::string& expected,
                           const std::string& found) const {
    throw Error({.where = where_, .what = what, .expected = expected, .found = found});
  }

  void enter(int depth, bool object) {
    if (depth >= max_depth_)
      refuse("JSON nesting", fmt::format("at most {} levels", max_depth_), "more");
    if (!levels_.empty()) enter_from(levels_.back(), object);
    const auto table =
        std::find_if(tables_.begin(), tables_.end(),
                     [&](const JsonTable& candidate) { return is_here(candidate.path); });
    levels_.push_back({.object = object, .table = table == tables_.end() ? nullptr : &*table});
  }

  void enter_from(Level& outer, bool object) const {
    if (outer.object && outer.table != nullptr)
      // nlohmann tells no end of what hangs under a key that was dropped.
      refuse(outer.table->path + "." + outer.key.substr(0, 200), "a value",
             object ? "an object" : "a list");
    if (!outer.object && object && outer.table == nullptr && ++outer.objects > kMaxMembers)
      refuse("JSON list", fmt::format("at most {} objects", kMaxMembers), "more");
  }

  bool keep_key(const std::string& key) {
    Level& level = levels_.back();
    level.key = key;
    if (level.table != nullptr) return false;
    if (!level.keys.insert(key).second)
      refuse(key.substr(0, 200), "each key once", "it twice in one object");
    if (level.keys.size() > kMaxMembers)
      refuse("JSON object", fmt::format("at most {} members", kMaxMembers), "more");
    return true;
  }

  // A value, object or list that is complete.
  bool keep(const Json& value) const {
    if (levels_.empty() || levels_.back().table == nullptr) return true;
    levels_.back().table->on_entry(levels_.back().key, value);
    return levels_.back().object;  // in an object the key was dropped, and the value goes with it
  }

  // Whether the container that begins now stands at the end of this path of keys.
  bool is_here(std::string_view path) const {
    for (size_t i = 0; i < levels_.size(); ++i) {
      const size_t end = std::min(path.find('.'), path.size());
      if (!levels_[i].object || levels_[i].key != path.substr(0, end)) return false;
      if (end == path.size()) return i + 1 == levels_.size();
      path.remove_prefix(end + 1);
    }
    return false;
  }

  const std::string& where_;
  const int max_depth_;
  const std::span<const JsonTable> tables_;
  std::vector<Level> levels_;
};

Json parse(std::string_view text, const std::string& where, int max_depth,
           std::span<const JsonTable> tables) {
  // nlohmann takes a NUL for the end of the document, and whatever follows would go unseen.
  if (const size_t nul = text.find('\0'); nul != text.npos)
    throw Error(
        {.where = where, .what = "not valid JSON", .found = fmt::format("a NUL at byte {}", nul)});
  try {
    Guard guard(where, max_depth, tables);
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

}  // namespace

Json parse_json(std::string_view text, const std::string& where, int max_depth) {
  return parse(text, where, max_depth, {});
}

Json parse_json(std::string_view text, const std::string& where,
                std::span<const JsonTable> tables) {
  constexpr int kMaxDepth = 64;
  return parse(text, where, kMaxDepth, tables);
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
