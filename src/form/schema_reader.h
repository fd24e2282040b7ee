#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tessera {

/// One schema within a document of JSON Schema: true, false or an object.
struct Schema {
  const Json* json = nullptr;  ///< as long as its reader lives
  std::string path = {};       ///< "properties.a.items"; "schema" at the top

  bool has(const char* keyword) const { return json->is_object() && json->contains(keyword); }
  const Json& at(const char* keyword) const { return json->find(keyword).value(); }
  Schema under(const std::string& keyword, const Json& value) const {
    return {&value, path + "." + keyword};
  }
  [[noreturn]] void refuse(const std::string& keyword, const std::string& expected,
                           const std::string& found = "") const;
};

/// A document of JSON Schema from a stranger. Throws UsageError that names the keyword with its
/// path for what is malformed or not supported.
class SchemaReader {
 public:
  explicit SchemaReader(std::string_view text);

  Schema root() const { return {&root_, "schema"}; }

  /// The same schema without $ref and allOf at its top: references followed, parts merged. Its
  /// keywords are known ones.
  Schema expand(const Schema& schema);

  /// What holds for both. Neither may have $ref or allOf at its top.
  Schema merge(const Schema& a, const Schema& b);

  /// Without one of its keywords.
  Schema without(const Schema& schema, const char* keyword);

  /// Whether anything but annotations is said.
  static bool says_nothing(const Schema& schema);

 private:
  Schema expand_within(const Schema& schema, int depth);
  Schema target_of(const Schema& schema, const Json& reference) const;
  Schema keep(Json json, const std::string& path);

  Json root_;
  std::deque<Json> made_;
  std::map<const Json*, Schema> expanded_;
  size_t values_made_ = 0;
};

/// The types that a schema allows: of "type", "nullable" or, where there is no "type", of the
/// keywords that speak of one. Empty: any.
std::vector<std::string> types_of(const Schema& schema);

/// Whether no value that the one schema's form gives fits the other schema, and the other way
/// round, as far as types, constants and required members tell.
bool are_disjoint(SchemaReader& reader, const Schema& a, const Schema& b);

/// Members of `b` put into `a`; see SchemaReader::merge.
Json merge_keywords(const Schema& a, const Schema& b);

}  // namespace tessera
