#include <fmt/format.h>

#include "checkpoint/config_parts.h"

namespace tessera {

std::vector<int64_t> parse_eos_ids(const JsonReader& reader, int64_t max) {
  constexpr size_t kMaxIds = 64;
  const char* key = "eos_token_id";
  if (!reader.has(key)) return {};
  const Json& value = reader.at(key);
  if (!value.is_array()) return {reader.integer(key, 0, max)};
  const std::string expected = fmt::format("an id from 0 to {}, or 1 to {} of them", max, kMaxIds);
  if (value.empty() || value.size() > kMaxIds) reader.fail(key, expected, describe_json(value));
  std::vector<int64_t> ids;
  for (const Json& id : value) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(max))
      reader.fail(key, expected, describe_json(value));
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

GenerationConfig parse_generation_config(const JsonReader& generation) {
  constexpr int64_t kMaxTokens = int64_t{1} << 31, kMaxId = (int64_t{1} << 31) - 1;
  const auto number = [&](const char* key, double min, double max) -> std::optional<double> {
    if (!generation.has(key)) return std::nullopt;
    return generation.number(key, min, max);
  };
  const auto integer = [&](const char* key, int64_t min, int64_t max) -> std::optional<int64_t> {
    if (!generation.has(key)) return std::nullopt;
    return generation.integer(key, min, max);
  };
  GenerationConfig out;
  if (generation.has("do_sample")) out.do_sample = generation.boolean("do_sample");
  out.temperature = number("temperature", 0, 100);
  out.top_p = number("top_p", 0, 1);
  out.repetition_penalty = number("repetition_penalty", 1e-3, 1e3);
  out.top_k = integer("top_k", 0, kMaxTokens);
  out.num_beams = integer("num_beams", 1, 1024);
  out.max_length = integer("max_length", 0, kMaxTokens);
  out.max_new_tokens = integer("max_new_tokens", 0, kMaxTokens);
  out.bos_id = integer("bos_token_id", 0, kMaxId);
  out.eos_ids = parse_eos_ids(generation, kMaxId);
  out.pad_id = integer("pad_token_id", -1, kMaxId);
  return out;
}

}  // namespace tessera
