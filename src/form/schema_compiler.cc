#include "form/schema_compiler.h"

#include <fmt/format.h>

#include <utility>

#include "form/form_limits.h"

namespace tessera {
namespace {

constexpr size_t kMostTextBytes = 32 << 20;  // of schemas kept to find equal ones

}  // namespace

void SchemaCompiler::compile(std::string_view schema, Grammar& grammar) {
  SchemaCompiler compiler(schema, grammar);
  grammar.root = compiler.rule_of(compiler.reader_.expand(compiler.reader_.root()));
  while (!compiler.pending_.empty()) {
    const Pending next = std::move(compiler.pending_.front());
    compiler.pending_.pop_front();
    grammar.write_rule(next.rule, [&](uint32_t from) { return compiler.body(from, next.schema); });
  }
}

uint32_t SchemaCompiler::rule_of(const Schema& expanded) {
  const auto known = rule_of_json_.find(expanded.json);
  if (known != rule_of_json_.end()) return known->second;
  std::string text = expanded.json->dump();
  if ((text_bytes_ += text.size()) > kMostTextBytes)
    refuse_large_form(expanded.path, "schemas that lie in one another less deep");
  const auto [it, added] = rule_of_text_.try_emplace(std::move(text), 0);
  if (added) {
    it->second = json_.grammar().declare_rule(false, expanded.path);
    pending_.push_back({it->second, expanded});
  }
  rule_of_json_.emplace(expanded.json, it->second);
  return it->second;
}

uint32_t SchemaCompiler::value(uint32_t from, const Schema& schema) {
  const Schema expanded = reader_.expand(schema);
  if (SchemaReader::says_nothing(expanded)) return json_.any_value(from);
  if (is_small(expanded)) return body(from, expanded);
  const uint32_t to = nfa().node();
  nfa().call(from, rule_of(expanded), to);
  return to;
}

uint32_t SchemaCompiler::body(uint32_t from, const Schema& schema) {
  if (SchemaReader::says_nothing(schema)) return json_.any_value(from);
  if (schema.json->is_boolean()) refuse_form(schema.path, "a schema that some value fits", "false");
  if (schema.has("anyOf")) return branches(from, schema, "anyOf");
  if (schema.has("oneOf")) return branches(from, schema, "oneOf");
  if (schema.has("enum") || schema.has("const")) return constants(from, schema);
  const auto types = types_of(schema);
  if (types.empty()) return json_.any_value(from);  // "nullable" alone
  const uint32_t end = nfa().node();
  for (const std::string& type : types) nfa().empty(of_type(from, schema, type), end);
  return end;
}

uint32_t SchemaCompiler::branches(uint32_t from, const Schema& schema, const char* keyword) {
  const Json& list = schema.at(keyword);
  if (!list.is_array() || list.empty()) schema.refuse(keyword, "a list of schemas");
  Schema rest = reader_.without(schema, keyword);
  const bool or_null =
      rest.has("nullable") && rest.at("nullable") == Json(true) && !rest.has("type");
  if (rest.has("nullable") && !rest.has("type")) rest = reader_.without(rest, "nullable");
  std::vector<Schema> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    const Schema branch = reader_.expand(schema.under(fmt::format("{}[{}]", keyword, i), list[i]));
    if (branch.json->is_boolean() && !branch.json->get<bool>()) continue;
    parts.push_back(reader_.merge(rest, branch));
  }
  if (parts.empty()) schema.refuse(keyword, "a branch that some value fits");
  if (std::string_view(keyword) == "oneOf") {
    constexpr size_t kMostBranches = 256;  // each is held against each
    if (parts.size() > kMostBranches)
      refuse_large_form(schema.path + ".oneOf", fmt::format("at most {} branches", kMostBranches));
    for (size_t i = 0; i < parts.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (!are_disjoint(reader_, parts[i], parts[j]))
          schema.refuse(keyword, "branches of which no two can hold for one value",
                        fmt::format("branches {} and {}, which may; use anyOf", j, i));
  }
  const uint32_t end = nfa().node();
  for (const Schema& part : parts) nfa().empty(value(from, part), end);
  if (or_null) nfa().empty(nfa().text(from, "null"), end);
  return end;
}

uint32_t SchemaCompiler::of_type(uint32_t from, const Schema& schema, const std::string& type) {
  if (type == "null") return nfa().text(from, "null");
  if (type == "boolean") {
    const uint32_t end = nfa().text(from, "true");
    nfa().empty(nfa().text(from, "false"), end);
    return end;
  }
  if (type == "string") return string(from, schema);
  if (type == "object") return object(from, schema);
  if (type == "array") return array(from, schema);
  return number(from, schema, type == "integer");
}

}  // namespace tessera
