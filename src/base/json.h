#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

using Json = nlohmann::ordered_json;  ///< keeps the order in which keys were written

/// Parses one JSON document from a stranger. Throws Error that names `where` (a file, an option)
/// when it is not JSON, nests deeper than `max_depth`, repeats a key in one object, or has an
/// object of more than 10,000 members or a list of more than 10,000 objects (a tree is for
/// configurations, not for tables).
Json parse_json(std::string_view text, const std::string& where, int max_depth = 64);

/// read_file + parse_json.
Json read_json_file(const std::string& path, uint64_t max_bytes);

/// An object or a list inside a document that is data, not configuration: of any size, and read
/// entry by entry instead of becoming part of the tree, where it stays empty.
struct JsonTable {
  std::string path;  ///< keys from the top, as "model.vocab"
  /// Called for each entry in the order of the file. The key is empty in a list; the values of an
  /// object are no objects or lists, and a key may come twice. Throws Error to refuse the document.
  std::function<void(const std::string& key, const Json& value)> on_entry;
};

/// As above, with tables. Whether a table is there, and is an object or a list, the tree tells.
Json parse_json(std::string_view text, const std::string& where, std::span<const JsonTable> tables);

/// A JSON object that checks what it gives out. Every wrong or missing value is an Error that names
/// the file, the key with its path ("vision_config.hidden_size"), what was expected and found.
/// Holds a reference: the document must outlive it.
class JsonReader {
 public:
  /// Throws Error when `json` is not an object.
  JsonReader(const Json& json, std::string where, std::string path = "");

  bool has(const std::string& key) const;  ///< present and not null

  int64_t integer(const std::string& key, int64_t min, int64_t max) const;
  int64_t integer_or(const std::string& key, int64_t fallback, int64_t min, int64_t max) const;
  double number(const std::string& key, double min, double max) const;
  double number_or(const std::string& key, double fallback, double min, double max) const;
  bool boolean(const std::string& key) const;
  bool boolean_or(const std::string& key, bool fallback) const;
  std::string string(const std::string& key) const;
  std::string string_or(const std::string& key, const std::string& fallback) const;
  std::vector<double> numbers(const std::string& key, size_t count) const;  ///< exactly `count`
  JsonReader object(const std::string& key) const;
  std::vector<JsonReader> objects(const std::string& key) const;  ///< an array of objects

  /// The value under `key`, which must be there; for shapes that the readers above do not cover.
  const Json& at(const std::string& key) const;
  const Json& json() const { return *json_; }
  const std::string& where() const { return where_; }
  const std::string& path() const { return path_; }  ///< keys from the top; empty there

  /// An Error about this key, for checks that go beyond one value.
  [[noreturn]] void fail(const std::string& key, const std::string& expected,
                         const std::string& found, const std::string& hint = "") const;

 private:
  std::string path_of(const std::string& key) const;

  const Json* json_;
  std::string where_, path_;
};

/// A value as an error message shows it: one line, at most about 60 characters.
std::string describe_json(const Json& json);

}  // namespace tessera
