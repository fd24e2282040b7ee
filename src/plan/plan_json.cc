#include "plan/plan_json.h"

#include <fmt/format.h>

#include <cmath>

#include "plan/problem.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int64_t kMaxJsonBytes = int64_t{1} << 53;  // what a double in other people's JSON holds
constexpr int64_t kMaxCount = int64_t{1} << 53;
constexpr double kMaxMs = 1e15;

// ------------------------------------------------------------------------------- to JSON

// Times are kept in seconds and printed in milliseconds; dividing by 1000 undoes the product only
// when the product was rounded to a neighbour that divides back, so such a one is looked for.
double to_ms(double seconds) {
  const double ms = seconds * 1e3;
  for (const double candidate : {ms, std::nextafter(ms, 0.0), std::nextafter(ms, kMaxMs)})
    if (candidate / 1e3 == seconds) return candidate;
  return ms;
}

Json bytes_to_json(const StageBytes& bytes) {
  return {{"weights", bytes.weights}, {"vision", bytes.vision}, {"embedding", bytes.embedding},
          {"head", bytes.head},       {"kv", bytes.kv},         {"arena", bytes.arena},
          {"fixed", bytes.fixed},     {"total", bytes.total()}};
}

// What the stage takes of a whole step.
double share_of(const PlanStage& stage, const PlanPrediction& predicted) {
  return predicted.decode_s_per_token > 0
             ? (stage.decode_s + stage.link_s) / predicted.decode_s_per_token
             : 0;
}

Json stage_to_json(const PlanStage& stage, const PlanPrediction& predicted) {
  Json precisions = Json::array();
  for (const Precision precision : stage.precisions)
    precisions.push_back(precision_name(precision));
  Json json = {{"device", stage.device}, {"device_name", stage.device_name}};
  json["layers"] = stage.layer_count() > 0 ? Json{stage.first_layer, stage.last_layer} : Json();
  json["precisions"] = std::move(precisions);
  json["vision"] = stage.vision;
  json["embedding"] = stage.embedding;
  json["head"] = stage.head;
  json["bytes"] = bytes_to_json(stage.bytes);
  json["budget_bytes"] = stage.budget_bytes;
  json["decode_ms"] = to_ms(stage.decode_s);
  json["link_ms"] = to_ms(stage.link_s);
  json["prefill_chunk_ms"] = to_ms(stage.prefill_chunk_s);
  json["prefill_link_ms"] = to_ms(stage.prefill_link_s);
  json["vision_ms"] = to_ms(stage.vision_s);
  json["share"] = share_of(stage, predicted);
  return json;
}

Json prediction_to_json(const PlanPrediction& predicted) {
  return {{"decode_ms_per_token", to_ms(predicted.decode_s_per_token)},
          {"bottleneck_ms", to_ms(predicted.bottleneck_s)},
          {"prefill_ms", to_ms(predicted.prefill_s)},
          {"vision_ms", to_ms(predicted.vision_s)},
          {"answer_ms", to_ms(predicted.answer_s)},
          {"tokens_per_s", predicted.tokens_per_s}};
}

Json bound_to_json(const PlanBound& bound) {
  return {{"objective_ms", to_ms(bound.objective_s)},
          {"water_filling_ms", to_ms(bound.water_filling_s)},
          {"largest_unit_ms", to_ms(bound.largest_unit_s)},
          {"needed_bytes", bound.needed_bytes},
          {"available_bytes", bound.available_bytes}};
}

Json certificate_to_json(const Certificate& c) {
  return {{"value_ns", c.value_ns},           {"optimum_ns", c.optimum_ns},
          {"bottleneck_ns", c.bottleneck_ns}, {"loss", c.loss},
          {"kv_blocks", c.kv_blocks},         {"exact", c.exact},
          {"loss_exact", c.loss_exact},       {"room_exact", c.room_exact}};
}

Json why_not_to_json(const std::optional<WhyNot>& why) {
  if (!why) return {};
  Json json = {{"precision", precision_name(why->precision)},
               {"missing_bytes", why->missing_bytes},
               {"missing_gib", static_cast<double>(why->missing_bytes) / 0x1p30},
               {"largest_context", why->largest_context}};
  json["precision_that_fits"] =
      why->precision_that_fits ? Json(precision_name(*why->precision_that_fits)) : Json();
  json["more_devices"] = why->more_devices;
  json["text"] = why->text;
  return json;
}

Json device_or_host(int device) {
  return device < 0 ? Json() : Json(device);
}

// ----------------------------------------------------------------------------- from JSON

double seconds_at(const JsonReader& json, const std::string& key) {
  return json.number(key, 0, kMaxMs) / 1e3;
}

uint64_t bytes_at(const JsonReader& json, const std::string& key) {
  return static_cast<uint64_t>(json.integer(key, 0, kMaxJsonBytes));
}

int device_at(const JsonReader& json, const std::string& key) {
  return json.has(key) ? static_cast<int>(json.integer(key, 0, kMaxPlanDevices - 1)) : -1;
}

Precision precision_in(const JsonReader& json, const std::string& key, const Json& value) {
  const auto precision =
      value.is_string() ? parse_precision(value.get<std::string>()) : std::nullopt;
  if (!precision)
    json.fail(key, "a precision (f32 bf16 int8 fp8 int6 int5 int4)", describe_json(value));
  return *precision;
}

KvFormat kv_format_at(const JsonReader& json, const std::string& key) {
  const std::string name = json.string(key);
  const std::optional<KvFormat> format = parse_kv_format(name);
  if (!format) json.fail(key, "f32, bf16 or int8", '"' + name + '"');
  return *format;
}

StageBytes bytes_from_json(const JsonReader& json) {
  const StageBytes bytes = {.weights = bytes_at(json, "weights"),
                            .vision = bytes_at(json, "vision"),
                            .embedding = bytes_at(json, "embedding"),
                            .head = bytes_at(json, "head"),
                            .kv = bytes_at(json, "kv"),
                            .arena = bytes_at(json, "arena"),
                            .fixed = bytes_at(json, "fixed")};
  if (bytes_at(json, "total") != bytes.total())
    json.fail("total", fmt::format("the sum, {}", bytes.total()), describe_json(json.at("total")));
  return bytes;
}

void layers_from_json(const JsonReader& json, PlanStage& stage) {
  const Json& precisions = json.at("precisions");
  if (!precisions.is_array() || precisions.size() > kMaxPlanLayers)
    json.fail("precisions", "a list of precisions", describe_json(precisions));
  for (const Json& value : precisions)
    stage.precisions.push_back(precision_in(json, "precisions", value));
  if (json.has("layers")) {
    const std::vector<double> ends = json.numbers("layers", 2);
    for (const double end : ends)
      if (!(end >= 0 && end < kMaxPlanLayers && end == static_cast<int>(end)))
        json.fail("layers", "the first and the last layer", describe_json(json.at("layers")));
    stage.first_layer = static_cast<int>(ends[0]);
    stage.last_layer = static_cast<int>(ends[1]);
  }
  if (stage.layer_count() < 0 ||
      static_cast<size_t>(stage.layer_count()) != stage.precisions.size())
    json.fail("precisions",
              fmt::format("one a layer of [{}, {}]", stage.first_layer, stage.last_layer),
              fmt::format("{}", stage.precisions.size()));
}

PlanStage stage_from_json(const JsonReader& json) {
  PlanStage stage;
  stage.device = static_cast<int>(json.integer("device", 0, kMaxPlanDevices - 1));
  stage.device_name = json.string("device_name");
  layers_from_json(json, stage);
  stage.vision = json.boolean("vision");
  stage.embedding = json.boolean("embedding");
  stage.head = json.boolean("head");
  stage.bytes = bytes_from_json(json.object("bytes"));
  stage.budget_bytes = bytes_at(json, "budget_bytes");
  stage.decode_s = seconds_at(json, "decode_ms");
  stage.link_s = seconds_at(json, "link_ms");
  stage.prefill_chunk_s = seconds_at(json, "prefill_chunk_ms");
  stage.prefill_link_s = seconds_at(json, "prefill_link_ms");
  stage.vision_s = seconds_at(json, "vision_ms");
  return stage;
}

std::vector<PlanStage> stages_from_json(const JsonReader& json, const std::string& key) {
  std::vector<PlanStage> stages;
  const std::vector<JsonReader> items = json.objects(key);
  if (items.size() > kMaxPlanDevices)
    json.fail(key, fmt::format("at most {}", kMaxPlanDevices), fmt::format("{}", items.size()));
  stages.reserve(items.size());
  for (const JsonReader& item : items) stages.push_back(stage_from_json(item));
  return stages;
}

PlanPrediction prediction_from_json(const JsonReader& json) {
  return {.decode_s_per_token = seconds_at(json, "decode_ms_per_token"),
          .bottleneck_s = seconds_at(json, "bottleneck_ms"),
          .prefill_s = seconds_at(json, "prefill_ms"),
          .vision_s = seconds_at(json, "vision_ms"),
          .answer_s = seconds_at(json, "answer_ms"),
          .tokens_per_s = json.number("tokens_per_s", 0, 1e15)};
}

PlanBound bound_from_json(const JsonReader& json) {
  return {.objective_s = seconds_at(json, "objective_ms"),
          .water_filling_s = seconds_at(json, "water_filling_ms"),
          .largest_unit_s = seconds_at(json, "largest_unit_ms"),
          .needed_bytes = static_cast<uint64_t>(json.integer("needed_bytes", 0, INT64_MAX)),
          .available_bytes = static_cast<uint64_t>(json.integer("available_bytes", 0, INT64_MAX))};
}

Certificate certificate_from_json(const JsonReader& json) {
  return {.value_ns = json.integer("value_ns", 0, INT64_MAX),
          .optimum_ns = json.integer("optimum_ns", 0, INT64_MAX),
          .bottleneck_ns = json.integer("bottleneck_ns", 0, INT64_MAX),
          .loss = json.integer("loss", 0, INT64_MAX),
          .kv_blocks = json.integer("kv_blocks", 0, kMaxCount),
          .exact = json.boolean("exact"),
          .loss_exact = json.boolean("loss_exact"),
          .room_exact = json.boolean("room_exact")};
}

WhyNot why_not_from_json(const JsonReader& json) {
  WhyNot why;
  why.precision = precision_in(json, "precision", json.at("precision"));
  why.missing_bytes = bytes_at(json, "missing_bytes");
  why.largest_context = json.integer("largest_context", 0, kMaxCount);
  if (json.has("precision_that_fits"))
    why.precision_that_fits =
        precision_in(json, "precision_that_fits", json.at("precision_that_fits"));
  why.more_devices = static_cast<int>(json.integer("more_devices", 0, kMaxPlanDevices));
  why.text = json.string("text");
  return why;
}

}  // namespace

Json plan_to_json(const Plan& plan) {
  Json stages = Json::array(), side_devices = Json::array();
  for (const PlanStage& stage : plan.stages) stages.push_back(stage_to_json(stage, plan.predicted));
  for (const PlanStage& stage : plan.side_devices)
    side_devices.push_back(stage_to_json(stage, plan.predicted));
  Json json;
  json["fits"] = plan.fits;
  json["objective"] = objective_name(plan.objective);
  json["stages"] = std::move(stages);
  json["side_devices"] = std::move(side_devices);
  json["vision_device"] = device_or_host(plan.vision_device);
  json["embedding_device"] = device_or_host(plan.embedding_device);
  json["head_precision"] = precision_name(plan.head_precision);
  json["kv_format"] = kv_format_name(plan.kv);
  json["context"] = plan.context;
  json["sequences"] = plan.sequences;
  json["kv_tokens"] = plan.kv_tokens;
  json["kv_room_tokens"] = plan.kv_room_tokens;
  json["predicted"] = prediction_to_json(plan.predicted);
  json["bound"] = bound_to_json(plan.bound);
  json["certificate"] = certificate_to_json(plan.certificate);
  json["why_not"] = why_not_to_json(plan.why_not);
  return json;
}

Plan plan_from_json(const Json& json, const std::string& where) {
  const JsonReader reader(json, where);
  Plan plan;
  plan.fits = reader.boolean("fits");
  const std::string objective = reader.string("objective");
  if (!parse_objective(objective))
    reader.fail("objective", "latency, throughput or context", objective);
  plan.objective = *parse_objective(objective);
  plan.stages = stages_from_json(reader, "stages");
  plan.side_devices = stages_from_json(reader, "side_devices");
  plan.vision_device = device_at(reader, "vision_device");
  plan.embedding_device = device_at(reader, "embedding_device");
  plan.head_precision = precision_in(reader, "head_precision", reader.at("head_precision"));
  plan.kv = kv_format_at(reader, "kv_format");
  plan.context = reader.integer("context", 0, kMaxCount);
  plan.sequences = reader.integer("sequences", 0, kMaxCount);
  plan.kv_tokens = reader.integer("kv_tokens", 0, kMaxCount);
  plan.kv_room_tokens = reader.integer("kv_room_tokens", 0, kMaxCount);
  plan.predicted = prediction_from_json(reader.object("predicted"));
  plan.bound = bound_from_json(reader.object("bound"));
  plan.certificate = certificate_from_json(reader.object("certificate"));
  if (reader.has("why_not")) plan.why_not = why_not_from_json(reader.object("why_not"));
  return plan;
}

std::string plan_to_text(const Plan& plan) {
  return plan_to_json(plan).dump(2);
}

Plan plan_from_text(std::string_view text, const std::string& where) {
  return plan_from_json(parse_json(text, where), where);
}

std::string_view objective_name(Objective objective) {
  switch (objective) {
    case Objective::kLatency:
      return "latency";
    case Objective::kThroughput:
      return "throughput";
    case Objective::kContext:
      return "context";
  }
  return "?";
}

std::optional<Objective> parse_objective(std::string_view name) {
  for (const Objective objective :
       {Objective::kLatency, Objective::kThroughput, Objective::kContext})
    if (objective_name(objective) == name) return objective;
  return std::nullopt;
}

}  // namespace tessera
