#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "form/json_grammar.h"
#include "form/schema_reader.h"

namespace tessera {

/// Turns a schema into rules of a grammar. docs/forms.md says what is supported and where a form is
/// narrower than its schema: members come in the order of "properties", and without
/// "additionalProperties" there are no others.
class SchemaCompiler {
 public:
  /// Adds the rules and makes the schema's own the root. Throws UsageError as SchemaReader, and for
  /// values that cannot be held to.
  static void compile(std::string_view schema, Grammar& grammar);

 private:
  SchemaCompiler(std::string_view schema, Grammar& grammar) : reader_(schema), json_(grammar) {}

  Nfa& nfa() { return json_.nfa(); }

  // A value of the schema, written here when it is small and else called.
  uint32_t value(uint32_t from, const Schema& schema);
  uint32_t rule_of(const Schema& expanded);
  // What a rule is made of: all values of the expanded schema.
  uint32_t body(uint32_t from, const Schema& schema);
  uint32_t branches(uint32_t from, const Schema& schema, const char* keyword);
  uint32_t of_type(uint32_t from, const Schema& schema, const std::string& type);

  // schema_values.cc
  bool is_small(const Schema& schema);
  uint32_t constants(uint32_t from, const Schema& schema);
  uint32_t constant(uint32_t from, const Json& value, const std::string& path);
  uint32_t string(uint32_t from, const Schema& schema);
  uint32_t number(uint32_t from, const Schema& schema, bool integer);

  // schema_objects.cc
  struct Member {
    std::string name;
    Schema schema;
    bool required;
  };
  std::vector<Member> members_of(const Schema& schema);
  std::optional<Schema> rest_of(const Schema& schema);
  uint32_t object(uint32_t from, const Schema& schema);
  uint32_t other_key(uint32_t from, const std::vector<Member>& members);
  uint32_t array(uint32_t from, const Schema& schema);

  struct Pending {
    uint32_t rule;
    Schema schema;
  };

  SchemaReader reader_;
  JsonGrammar json_;
  std::deque<Pending> pending_;
  std::map<const Json*, uint32_t> rule_of_json_;
  std::map<std::string, uint32_t> rule_of_text_;  // equal schemas share their rule
  size_t text_bytes_ = 0;
};

/// A count of a schema: 0 to kMaxRepeats.
int count_of(const Schema& schema, const char* keyword, int fallback);

}  // namespace tessera
