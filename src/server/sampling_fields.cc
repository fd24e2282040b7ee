#include "server/sampling_fields.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace tessera {
namespace {

// A seed is any 64 bits; OpenAI's is signed.
std::optional<uint64_t> read_seed(const BodyFields& body) {
  if (!body.has("seed")) return std::nullopt;
  const Json& value = body.at("seed");
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  return static_cast<uint64_t>(body.integer("seed", 0, std::numeric_limits<int64_t>::min(),
                                            std::numeric_limits<int64_t>::max()));
}

std::string read_stop(const Json& value, const std::string& path, const ApiLimits& limits) {
  if (!value.is_string()) throw wrong_field(path, "a string", describe_json(value));
  std::string stop = value.get<std::string>();
  if (stop.empty() || stop.size() > limits.stop_bytes)
    throw wrong_field(path, fmt::format("1 to {} bytes", limits.stop_bytes),
                      fmt::format("{}", stop.size()));
  return stop;
}

std::optional<std::vector<std::string>> read_stops(const BodyFields& body,
                                                   const ApiLimits& limits) {
  if (!body.has("stop")) return std::nullopt;
  const Json& value = body.at("stop");
  if (value.is_string()) return std::vector{read_stop(value, "stop", limits)};
  if (!value.is_array())
    throw wrong_field("stop", "a string or a list of strings", describe_json(value));
  if (value.empty()) return std::nullopt;
  if (value.size() > limits.stops)
    throw wrong_field("stop", fmt::format("at most {} strings", limits.stops),
                      fmt::format("{}", value.size()));
  std::vector<std::string> stops;
  for (const Json& stop : value)
    stops.push_back(read_stop(stop, element_path("stop", stops.size()), limits));
  return stops;
}

std::vector<std::pair<int32_t, float>> read_biases(const BodyFields& body,
                                                   const ApiLimits& limits) {
  std::vector<std::pair<int32_t, float>> biases;
  if (!body.has("logit_bias")) return biases;
  const BodyFields fields(body.at("logit_bias"), "logit_bias");
  const Json& object = body.at("logit_bias");
  if (object.size() > limits.biases)
    throw wrong_field("logit_bias", fmt::format("at most {} tokens", limits.biases),
                      fmt::format("{}", object.size()));
  for (const auto& [key, value] : object.items()) {
    int32_t token = 0;
    const char* const end = key.data() + key.size();
    const auto [stopped, error] = std::from_chars(key.data(), end, token);
    if (error != std::errc() || stopped != end || token < 0)
      throw wrong_field("logit_bias", "token ids as keys", describe_json(Json(key)));
    if (value.is_null()) continue;
    biases.emplace_back(token, static_cast<float>(fields.number(key, 0, -100, 100)));
  }
  return biases;
}

}  // namespace

void read_sampling(const BodyFields& body, const ApiLimits& limits, Request& request) {
  request.temperature = body.number("temperature", 1, 0, 2);
  if (body.has("top_p")) {
    const double top_p = body.number("top_p", 1, 0, 1);
    // OpenAI takes 0, which leaves the likeliest token alone.
    if (top_p < 1) request.top_p = std::max(top_p, std::numeric_limits<double>::min());
  }
  const int64_t top_k = body.integer("top_k", 0, -1, std::numeric_limits<int32_t>::max());
  if (top_k > 0) request.top_k = top_k;
  request.min_p = body.number("min_p", 0, 0, 1);
  const char* const repetition = body.has("repetition_penalty") || !body.has("repeat_penalty")
                                     ? "repetition_penalty"
                                     : "repeat_penalty";
  request.repetition_penalty = body.number(repetition, 1, 0.01, 100);
  request.frequency_penalty = body.number("frequency_penalty", 0, -2, 2);
  request.presence_penalty = body.number("presence_penalty", 0, -2, 2);
  request.logit_bias = read_biases(body, limits);
  request.seed = read_seed(body);
  request.stop_strings = read_stops(body, limits);
  request.stop_ids = body.token_ids("stop_token_ids", limits.stop_ids);
  request.ignore_end = body.boolean("ignore_eos", false);
  request.choices = body.integer("n", 1, 1, limits.choices);
  request.user = body.string("user", "");
}

}  // namespace tessera
