#include "plan/sensitivities.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/file.h"
#include "base/json.h"
#include "plan/loss_model.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr int64_t kFormatVersion = 1;
constexpr double kMaxLoss = 1000;  // as validate_problem has it; the KL of nonsense is about 10
constexpr int64_t kMaxTokensMeasured = int64_t{1} << 40;

Json unit_to_json(const Sensitivities::Unit& unit) {
  Json json = Json::object();
  for (const auto& [precision, loss] : unit) json[std::string(precision_name(precision))] = loss;
  return json;
}

Sensitivities::Unit read_unit(const JsonReader& reader) {
  Sensitivities::Unit unit;
  for (const auto& [name, loss] : reader.json().items()) {
    const std::optional<Precision> precision = parse_precision(name);
    if (!precision) reader.fail(name, "the name of a precision", '"' + name + '"');
    unit[*precision] = reader.number(name, 0, kMaxLoss);
  }
  if (unit.empty())
    throw Error({.where = reader.where(),
                 .what = reader.path(),
                 .expected = "the loss of at least one precision",
                 .found = "none"});
  return unit;
}

void use_losses(PlanUnit& unit, const Sensitivities::Unit& measured, Precision own) {
  for (auto& [precision, cost] : unit.costs) cost.loss = measured_loss(measured, precision, own);
}

}  // namespace

std::string sensitivities_to_text(const Sensitivities& measured) {
  Json layers = Json::array();
  for (const Sensitivities::Unit& layer : measured.layers) layers.push_back(unit_to_json(layer));
  const Json json = {{"sensitivities", kFormatVersion},
                     {"unit", "nats per token"},
                     {"reference", precision_name(measured.reference)},
                     {"tokens", measured.tokens},
                     {"layer_parameters", measured.layer_parameters},
                     {"layers", std::move(layers)},
                     {"head", unit_to_json(measured.head)}};
  return json.dump(1) + "\n";
}

Sensitivities sensitivities_from_text(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  const JsonReader reader(json, where);
  (void)reader.integer("sensitivities", kFormatVersion, kFormatVersion);
  Sensitivities out;
  const std::string reference = reader.string("reference");
  if (reference != "f32" && reference != "bf16")
    reader.fail("reference", "f32 or bf16", '"' + reference + '"');
  out.reference = *parse_precision(reference);
  out.tokens = reader.integer("tokens", 1, kMaxTokensMeasured);
  out.layer_parameters = reader.integer("layer_parameters", 1, INT64_MAX);
  const std::vector<JsonReader> layers = reader.objects("layers");
  if (layers.empty() || layers.size() > static_cast<size_t>(kMaxPlanLayers))
    reader.fail("layers", fmt::format("1 to {} layers", kMaxPlanLayers),
                fmt::format("{}", layers.size()));
  for (const JsonReader& layer : layers) out.layers.push_back(read_unit(layer));
  out.head = read_unit(reader.object("head"));
  return out;
}

Sensitivities read_sensitivities(const std::string& path) {
  return sensitivities_from_text(read_file(path, kMaxFileBytes), path);
}

double measured_loss(const Sensitivities::Unit& unit, Precision precision, Precision own) {
  if (precision <= own) return 0;
  const auto at_or_below = unit.lower_bound(precision);
  const auto nearest = at_or_below != unit.end() ? at_or_below : std::prev(unit.end());
  if (nearest->first == precision) return nearest->second;
  // Squared errors against f32 are above 0 for every format but f32 itself.
  const double error = default_loss(nearest->first, Precision::kF32);
  if (error <= 0) return 0;
  return std::min(nearest->second * default_loss(precision, Precision::kF32) / error, kMaxLoss);
}

void use_sensitivities(PlanProblem& problem, const Sensitivities& measured,
                       const std::string& where) {
  const auto refuse = [&](const char* what, const auto& expected, const auto& found) {
    throw Error({.where = where,
                 .what = what,
                 .expected = fmt::format("{}, the model's", expected),
                 .found = fmt::format("{}", found),
                 .hint = "were they measured with this model?"});
  };
  if (measured.layers.size() != problem.layers.size())
    refuse("layers", problem.layers.size(), measured.layers.size());
  const auto parameters =
      static_cast<int64_t>(problem.layers.front().costs.begin()->second.flops_per_token / 2);
  if (measured.layer_parameters != parameters)
    refuse("layer_parameters", parameters, measured.layer_parameters);
  for (size_t i = 0; i < problem.layers.size(); ++i)
    use_losses(problem.layers[i], measured.layers[i], problem.own);
  use_losses(problem.head, measured.head, problem.own);
}

}  // namespace tessera
