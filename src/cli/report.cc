#include "cli/report.h"

#include <fmt/format.h>

#include "base/units.h"
#include "cli/table.h"

namespace tessera {
namespace {

std::string rate(double tokens_per_s) {
  return fmt::format("{:.3g} tokens/s", tokens_per_s);
}

std::string duration_or_dash(double seconds) {
  return seconds > 0 ? format_duration(seconds) : "-";
}

std::string holds_of(const DeviceReport& device) {
  std::string holds;
  const auto add = [&](bool is_there, const char* name) {
    if (is_there) holds += (holds.empty() ? "" : ", ") + std::string(name);
  };
  add(device.vision, "vision");
  add(device.embedding, "embedding");
  add(device.last_layer >= device.first_layer,
      fmt::format("layers {}-{}", device.first_layer, device.last_layer).c_str());
  add(device.head, "head");
  return holds;
}

Json timings_to_json(const AnswerTimings& timings) {
  return {{"load_ms", 1e3 * timings.load_s},
          {"vision_ms", 1e3 * timings.vision_s},
          {"prefill_ms", 1e3 * timings.prefill_s},
          {"decode_ms", 1e3 * timings.decode_s},
          {"prefill_tokens_per_s", timings.prefill_tokens_per_s},
          {"decode_tokens_per_s", timings.decode_tokens_per_s}};
}

Json device_to_json(const DeviceReport& device) {
  Json json = {{"name", device.name}};
  json["layers"] = device.last_layer >= device.first_layer
                       ? Json{device.first_layer, device.last_layer}
                       : Json();
  json["vision"] = device.vision;
  json["embedding"] = device.embedding;
  json["head"] = device.head;
  json["budget_bytes"] = device.budget_bytes;
  json["planned_bytes"] = device.planned_bytes;
  json["measured_peak_bytes"] = device.measured_peak_bytes;
  json["planned_decode_ms"] = 1e3 * device.planned_decode_s;
  json["measured_decode_ms"] = 1e3 * device.measured_decode_s;
  json["planned_prefill_ms_per_1000"] = 1e3 * device.planned_prefill_s;
  json["measured_prefill_ms_per_1000"] = 1e3 * device.measured_prefill_s;
  return json;
}

}  // namespace

std::string describe_answer(const Answer& answer) {
  const AnswerTimings& t = answer.timings;
  std::string line = fmt::format("prompt: {} tokens in {} ({})", answer.prompt_tokens,
                                 format_duration(t.prefill_s), rate(t.prefill_tokens_per_s));
  if (t.vision_s > 0) line += fmt::format(", pictures {} of it", format_duration(t.vision_s));
  line += fmt::format("; answer: {} token{}", answer.token_ids.size(),
                      answer.token_ids.size() == 1 ? "" : "s");
  if (t.decode_tokens_per_s > 0)
    line += fmt::format(" in {} ({})", format_duration(t.decode_s), rate(t.decode_tokens_per_s));
  if (answer.finish_reason == FinishReason::kLength) line += "; cut off at the length limit";
  return line;
}

std::string describe_devices(std::span<const DeviceReport> devices) {
  std::vector<std::vector<std::string>> rows = {{"device", "holds", "budget", "planned", "peak",
                                                 "decode step planned", "measured",
                                                 "1000 prompt tokens planned", "measured"}};
  for (const DeviceReport& device : devices)
    rows.push_back(
        {device.name, holds_of(device), format_bytes(device.budget_bytes),
         format_bytes(device.planned_bytes), format_bytes(device.measured_peak_bytes),
         duration_or_dash(device.planned_decode_s), duration_or_dash(device.measured_decode_s),
         duration_or_dash(device.planned_prefill_s), duration_or_dash(device.measured_prefill_s)});
  return format_table(rows);
}

std::string describe_load(const Engine& engine) {
  const double seconds = engine.load_s();
  const auto bytes = static_cast<double>(engine.loaded_bytes());
  return fmt::format("loaded {} in {} ({}); host memory beside the devices at most {}",
                     format_bytes(engine.loaded_bytes()), format_duration(seconds),
                     format_bandwidth(seconds > 0 ? bytes / seconds : 0),
                     format_bytes(engine.host_peak_bytes()));
}

Json answer_to_json(const Answer& answer, const Engine& engine) {
  Json first_logits = Json::array();
  for (const auto& [token, logit] : answer.first_logits) first_logits.push_back({token, logit});
  Json devices = Json::array();
  for (const DeviceReport& device : engine.devices()) devices.push_back(device_to_json(device));
  Json json;
  json["text"] = answer.text;
  json["token_ids"] = answer.token_ids;
  json["prompt_tokens"] = answer.prompt_tokens;
  json["prompt_ids"] = answer.prompt_ids;
  json["finish_reason"] = finish_reason_name(answer.finish_reason);
  json["first_logits"] = std::move(first_logits);
  json["timings"] = timings_to_json(answer.timings);
  json["devices"] = std::move(devices);
  json["host_peak_bytes"] = engine.host_peak_bytes();
  json["loaded_bytes"] = engine.loaded_bytes();
  return json;
}

std::string to_json_line(const Json& json) {
  // Text from a model is valid UTF-8; a file name in an error need not be.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tessera
