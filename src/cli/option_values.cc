#include "cli/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "base/units.h"
#include "tessera/error.h"
#include "tessera/precision.h"

namespace tessera {
namespace {

[[noreturn]] void refuse(const std::string& option, const std::string& expected,
                         const std::string& found) {
  throw UsageError({.where = option, .expected = expected, .found = '"' + found + '"'});
}

// The whole text as a number, or nothing.
template <typename Number>
std::optional<Number> whole(std::string_view text) {
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return value;
}

// "1,2,3" -> its items.
std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

}  // namespace

int64_t parse_integer(const std::string& option, const std::string& text, int64_t min,
                      int64_t max) {
  const auto value = whole<int64_t>(text);
  if (!value || *value < min || *value > max)
    refuse(option,
           max == std::numeric_limits<int64_t>::max()
               ? fmt::format("a whole number from {}", min)
               : fmt::format("a whole number from {} to {}", min, max),
           text);
  return *value;
}

double parse_number(const std::string& option, const std::string& text) {
  const auto value = whole<double>(text);
  if (!value) refuse(option, "a number", text);
  return *value;
}

uint64_t parse_seed(const std::string& option, const std::string& text) {
  const auto value = whole<uint64_t>(text);
  if (!value) refuse(option, "a whole number from 0 to 2^64 - 1", text);
  return *value;
}

uint64_t parse_size(const std::string& option, const std::string& text) {
  const auto value = parse_bytes(text);
  if (!value || *value == 0) refuse(option, "a size such as 512MiB or 2GB", text);
  return *value;
}

std::string parse_precision_name(const std::string& option, const std::string& text) {
  if (text == "auto" || parse_precision(text)) return text;
  std::string names = "auto";
  for (const Precision precision : kPrecisions)
    names += fmt::format(" {}", precision_name(precision));
  refuse(option, "one of " + names, text);
}

Precision parse_one_precision(const std::string& option, const std::string& text) {
  const std::optional<Precision> precision = parse_precision(text);
  if (!precision) refuse(option, "f32, bf16, int8, int6, int5 or int4", text);
  return *precision;
}

std::vector<Precision> parse_precisions(const std::string& option, const std::string& text) {
  std::vector<Precision> precisions;
  for (const std::string& item : split_list(text)) {
    const Precision precision = parse_one_precision(option, item);
    if (std::ranges::count(precisions, precision) > 0)
      throw UsageError({.where = option, .what = fmt::format("{} stands twice", item)});
    precisions.push_back(precision);
  }
  return precisions;
}

std::string parse_kv_name(const std::string& option, const std::string& text) {
  if (text == "auto" || parse_kv_format(text)) return text;
  refuse(option, "one of auto f32 bf16 int8", text);
}

KvFormat parse_one_kv_format(const std::string& option, const std::string& text) {
  const auto format = parse_kv_format(text);
  if (!format) refuse(option, "f32, bf16 or int8", text);
  return *format;
}

Objective parse_objective_name(const std::string& option, const std::string& text) {
  const auto objective = parse_objective(text);
  if (!objective) refuse(option, "latency, throughput or context", text);
  return *objective;
}

std::vector<int32_t> parse_ids(const std::string& option, const std::string& text) {
  std::vector<int32_t> ids;
  for (std::string_view item : split_list(text)) {
    while (item.starts_with(' ')) item.remove_prefix(1);
    const auto id = whole<int32_t>(item);
    if (!id || *id < 0) refuse(option, "token ids with commas between, as in 1,2,3", text);
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace tessera
