#include "tests/form/schema_judge.h"

#include <cmath>

#include "tests/form/pattern_judge.h"

namespace tessera {
namespace {

bool is_integer(const Json& value) {
  return value.is_number() && std::floor(value.get<double>()) == value.get<double>();
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "integer") return is_integer(value);
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  return type == "object" ? value.is_object() : value.is_array();
}

size_t characters_in(const std::string& text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  return count;
}

int digits(const std::string& text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

bool is_date(const std::string& text) {
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || year < 1 || month < 1 || month > 12)
    return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  const int days = month == 2                                              ? 28 + leap
                   : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                           : 31;
  return day >= 1 && day <= days;
}

bool is_time(const std::string& text) {
  const int hour = digits(text, 0, 2), minute = digits(text, 3, 2), second = digits(text, 6, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  if (text[2] != ':' || text[5] != ':') return false;
  size_t at = 8;
  if (at < text.size() && text[at] == '.')
    for (++at; at < text.size() && std::isdigit(static_cast<uint8_t>(text[at])) != 0;) ++at;
  const std::string zone = text.substr(at);
  if (zone == "Z") return true;
  return zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
         digits(zone, 1, 2) >= 0 && digits(zone, 1, 2) < 24 && digits(zone, 4, 2) >= 0 &&
         digits(zone, 4, 2) < 60;
}

bool is_all(const std::string& pattern, const std::string& text) {
  return pcre_matches_whole(pattern, text).value();
}

bool is_of_format(const std::string& text, const std::string& format) {
  if (format == "date") return is_date(text);
  if (format == "time") return is_time(text);
  if (format == "date-time")
    return text.size() > 11 && text[10] == 'T' && is_date(text.substr(0, 10)) &&
           is_time(text.substr(11));
  if (format == "uuid") return is_all("(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text);
  if (format == "email") return is_all(R"([^@\s".]+(\.[^@\s".]+)*@[^@\s.]+(\.[^@\s.]+)+)", text);
  if (format == "hostname")
    return text.size() <= 253 &&
           is_all(R"((?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*)", text);
  if (format == "ipv4") return is_all(R"((?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4})", text);
  return false;
}

class Judge {
 public:
  explicit Judge(const Json& root) : root_(root) {}

  std::string judge(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>() ? "" : "false";
    if (schema.value("nullable", false) && value.is_null()) return "";
    for (const auto& [keyword, rule] : schema.items()) {
      const std::string why = holds(keyword, rule, schema, value);
      if (!why.empty()) return keyword + ": " + why;
    }
    return "";
  }

 private:
  std::string holds(const std::string& keyword, const Json& rule, const Json& schema,
                    const Json& value) const {
    const std::string no = value.dump() + " against " + rule.dump();
    const auto require = [&](bool holds) { return holds ? std::string() : no; };
    if (keyword == "$ref") return judge(target(rule.get<std::string>()), value);
    if (keyword == "type") {
      if (rule.is_string()) return require(is_of_type(value, rule.get<std::string>()));
      for (const Json& type : rule)
        if (is_of_type(value, type.get<std::string>())) return "";
      return no;
    }
    if (keyword == "enum") {
      for (const Json& one : rule)
        if (one == value) return "";
      return no;
    }
    if (keyword == "const") return require(rule == value);
    if (keyword == "anyOf" || keyword == "oneOf" || keyword == "allOf") {
      size_t count = 0;
      for (const Json& part : rule) count += judge(part, value).empty();
      if (keyword == "oneOf") return require(count == 1);
      return require(keyword == "allOf" ? count == rule.size() : count > 0);
    }
    if (value.is_object()) return holds_object(keyword, rule, schema, value, no);
    if (value.is_array()) return holds_array(keyword, rule, schema, value, no);
    if (value.is_string()) {
      const auto text = value.get<std::string>();
      if (keyword == "minLength") return require(characters_in(text) >= rule.get<size_t>());
      if (keyword == "maxLength") return require(characters_in(text) <= rule.get<size_t>());
      if (keyword == "pattern") return require(pcre_finds(rule.get<std::string>(), text).value());
      if (keyword == "format") return require(is_of_format(text, rule.get<std::string>()));
    }
    if (value.is_number()) {
      const auto number = value.get<double>();
      if (keyword == "minimum") return require(number >= rule.get<double>());
      if (keyword == "maximum") return require(number <= rule.get<double>());
      if (keyword == "exclusiveMinimum") return require(number > rule.get<double>());
      if (keyword == "exclusiveMaximum") return require(number < rule.get<double>());
      if (keyword == "multipleOf")  // of integers
        return require(value.get<int64_t>() % rule.get<int64_t>() == 0);
    }
    return "";
  }

  std::string holds_object(const std::string& keyword, const Json& rule, const Json& schema,
                           const Json& value, const std::string& no) const {
    if (keyword == "required") {
      for (const Json& name : rule)
        if (!value.contains(name.get<std::string>())) return no;
    }
    if (keyword == "properties") {
      for (const auto& [name, part] : rule.items()) {
        if (!value.contains(name)) continue;
        const std::string why = judge(part, value.at(name));
        if (!why.empty()) return name + ": " + why;
      }
    }
    if (keyword == "additionalProperties") {
      for (const auto& [name, item] : value.items()) {
        if (schema.contains("properties") && schema.at("properties").contains(name)) continue;
        const std::string why = judge(rule, item);
        if (!why.empty()) return name + ": " + why;
      }
    }
    return "";
  }

  std::string holds_array(const std::string& keyword, const Json& rule, const Json& schema,
                          const Json& value, const std::string& no) const {
    const size_t front = schema.contains("prefixItems") ? schema.at("prefixItems").size() : 0;
    if (keyword == "minItems") return value.size() >= rule.get<size_t>() ? "" : no;
    if (keyword == "maxItems") return value.size() <= rule.get<size_t>() ? "" : no;
    if (keyword != "items" && keyword != "prefixItems") return "";
    for (size_t i = 0; i < value.size(); ++i) {
      if ((i < front) != (keyword == "prefixItems")) continue;
      const std::string why = judge(i < front ? rule[i] : rule, value[i]);
      if (!why.empty()) return std::to_string(i) + ": " + why;
    }
    return "";
  }

  const Json& target(const std::string& reference) const {
    const Json* at = &root_;
    for (size_t begin = 1; begin < reference.size();) {
      const size_t end = std::min(reference.find('/', begin + 1), reference.size());
      at = &at->at(reference.substr(begin + 1, end - begin - 1));
      begin = end;
    }
    return *at;
  }

  const Json& root_;
};

}  // namespace

std::string judge_schema(const Json& schema, const Json& value) {
  return Judge(schema).judge(schema, value);
}

}  // namespace tessera
