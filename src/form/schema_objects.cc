#include <algorithm>
#include <map>

#include "form/form_limits.h"
#include "form/pattern_writer.h"
#include "form/schema_compiler.h"

namespace tessera {

std::vector<SchemaCompiler::Member> SchemaCompiler::members_of(const Schema& schema) {
  static const Json kNone = Json::object(), kAny = true;
  const Json& properties = schema.has("properties") ? schema.at("properties") : kNone;
  if (!properties.is_object()) schema.refuse("properties", "an object of schemas");
  std::vector<Member> members;
  std::map<std::string, size_t> index;
  for (const auto& [name, value] : properties.items()) {
    index[name] = members.size();
    members.push_back({name, schema.under("properties." + name, value), false});
  }
  if (!schema.has("required")) return members;
  const Json& required = schema.at("required");
  if (!required.is_array()) schema.refuse("required", "a list of names");
  for (const Json& name : required) {
    if (!name.is_string()) schema.refuse("required", "a list of names");
    const auto [it, added] = index.try_emplace(name.get<std::string>(), members.size());
    if (added) {
      const auto rest = rest_of(schema);
      if (!rest && schema.has("additionalProperties"))
        schema.refuse("required", "names that properties declares", describe_json(name));
      members.push_back({it->first, rest ? *rest : schema.under("required", kAny), true});
    }
    members[it->second].required = true;
  }
  return members;
}

// What members must be that are not declared; none: there may be no such members.
std::optional<Schema> SchemaCompiler::rest_of(const Schema& schema) {
  static const Json kAny = true;
  if (!schema.has("additionalProperties"))
    return schema.has("properties") ? std::nullopt : std::optional(schema.under("", kAny));
  const Json& rest = schema.at("additionalProperties");
  if (rest == Json(false)) return {};
  return schema.under("additionalProperties", rest);
}

uint32_t SchemaCompiler::object(uint32_t from, const Schema& schema) {
  const std::vector<Member> members = members_of(schema);
  const std::optional<Schema> rest = rest_of(schema);
  const uint32_t end = nfa().node();
  // Before each member: `first` when nothing is written yet, `later` behind another one.
  uint32_t first = json_.blanks(nfa().byte(from, '{')), later = Nfa::kNoEdge;
  for (const Member& member : members) {
    const uint32_t key = nfa().node();
    if (first != Nfa::kNoEdge) nfa().empty(first, key);
    if (later != Nfa::kNoEdge) nfa().empty(json_.comma(later), key);
    const uint32_t colon = json_.colon(json_.literal_string(key, member.name, schema.path));
    const uint32_t after = json_.blanks(value(colon, member.schema));
    if (member.required) {
      first = Nfa::kNoEdge;
    } else if (later != Nfa::kNoEdge) {
      nfa().empty(later, after);
    }
    later = after;
  }
  if (rest) {
    const uint32_t key = nfa().node(), after = nfa().node();
    if (first != Nfa::kNoEdge) nfa().empty(first, key);
    const uint32_t colon = json_.colon(other_key(key, members));
    nfa().empty(json_.blanks(value(colon, *rest)), after);
    nfa().empty(json_.comma(after), key);
    if (later != Nfa::kNoEdge) nfa().empty(json_.comma(later), key);
    nfa().bytes(after, '}', '}', end);
  }
  if (later != Nfa::kNoEdge) nfa().bytes(later, '}', '}', end);
  if (first != Nfa::kNoEdge) nfa().bytes(first, '}', '}', end);
  return end;
}

// A string that is no member's name: letters of a name lead along it, others away from all names.
uint32_t SchemaCompiler::other_key(uint32_t from, const std::vector<Member>& members) {
  if (members.empty()) return json_.string(from);
  struct Place {
    std::map<char32_t, size_t> next;
    bool name = false;
  };
  std::vector<Place> places(1);
  for (const Member& member : members) {
    size_t at = 0;
    for (const char32_t c : code_points_of(member.name, member.schema.path)) {
      const auto [it, added] = places[at].next.try_emplace(c, places.size());
      at = it->second;
      if (added) places.emplace_back();
    }
    places[at].name = true;
  }
  const uint32_t end = nfa().node(), elsewhere = nfa().node();
  write_character(nfa(), elsewhere, CodePointSet::all(), Spelling::kJsonString, elsewhere);
  nfa().bytes(elsewhere, '"', '"', end);
  std::vector<uint32_t> nodes = {nfa().byte(from, '"')};
  for (size_t i = 1; i < places.size(); ++i) nodes.push_back(nfa().node());
  for (size_t i = 0; i < places.size(); ++i) {
    CodePointSet here;
    for (const auto& [c, next] : places[i].next) {
      here.add(c, c);
      write_character(nfa(), nodes[i], {{c, c}}, Spelling::kJsonString, nodes[next]);
    }
    write_character(nfa(), nodes[i], here.complement(), Spelling::kJsonString, elsewhere);
    if (!places[i].name) nfa().bytes(nodes[i], '"', '"', end);
  }
  return end;
}

uint32_t SchemaCompiler::array(uint32_t from, const Schema& schema) {
  static const Json kAny = true;
  if (schema.has("uniqueItems") && schema.at("uniqueItems") != Json(false))
    schema.refuse("uniqueItems", "false");
  std::vector<Schema> front;
  if (schema.has("prefixItems")) {
    const Json& list = schema.at("prefixItems");
    if (!list.is_array()) schema.refuse("prefixItems", "a list of schemas");
    for (const Json& item : list) front.push_back(schema.under("prefixItems", item));
  }
  const Schema rest =
      schema.has("items") ? schema.under("items", schema.at("items")) : schema.under("items", kAny);
  const bool open = schema.has("items") ? *rest.json != Json(false) : front.empty();
  const int least = count_of(schema, "minItems", 0);
  int most = count_of(schema, "maxItems", -1);
  if (!open)
    most = most < 0 ? static_cast<int>(front.size())
                    : std::min<int>(most, static_cast<int>(front.size()));
  if (most >= 0 && least > most) schema.refuse("minItems", "no more items than there may be");

  const uint32_t end = nfa().node();
  const auto item = [&](uint32_t at, size_t index) {
    return json_.blanks(value(at, index < front.size() ? front[index] : rest));
  };
  uint32_t before = json_.blanks(nfa().byte(from, '['));
  if (least == 0) nfa().bytes(before, ']', ']', end);
  if (most == 0) return end;
  // Single items as far as they count or differ, then any number of the same.
  const size_t counted = most >= 0 ? static_cast<size_t>(most)
                                   : std::max<size_t>(static_cast<size_t>(least), front.size());
  for (size_t i = 0; i < counted; ++i) {
    const uint32_t after = item(before, i);
    if (i + 1 >= static_cast<size_t>(least)) nfa().bytes(after, ']', ']', end);
    before = json_.comma(after);
  }
  if (most < 0) {
    const uint32_t loop = nfa().node();
    nfa().empty(before, loop);
    const uint32_t after = item(loop, front.size());
    nfa().bytes(after, ']', ']', end);
    nfa().empty(json_.comma(after), loop);
  }
  return end;
}

}  // namespace tessera
