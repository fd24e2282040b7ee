#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plan/problem.h"

namespace tessera {

/// What it was measured to cost to store units of one model below its reference: for each unit the
/// mean KL divergence of the next-token distributions, in nats a token, when that unit alone is
/// stored so. They may be added (see loss_model.h); how nearly that holds, `tessera bench quality
/// --mixed-plans` measures.
struct Sensitivities {
  using Unit = std::map<Precision, double>;

  Precision reference = Precision::kBF16;  ///< f32 or bf16: all units of the model compared with
  int64_t tokens = 0;                      ///< that were compared
  int64_t layer_parameters = 0;  ///< of the matrices of one layer: whether this is the model
  std::vector<Unit> layers;
  Unit head;

  bool operator==(const Sensitivities&) const = default;
};

/// One JSON object, and back. sensitivities_from_text throws Error that names `where` and the key
/// when the text is not such an object: 1 to kMaxPlanLayers layers, for each unit at least one
/// precision, no loss negative or above 1000.
std::string sensitivities_to_text(const Sensitivities& measured);
Sensitivities sensitivities_from_text(std::string_view text, const std::string& where);
Sensitivities read_sensitivities(const std::string& path);

/// The loss of a unit at `precision`: as measured; 0 at or above the model's `own`. A precision
/// that was not measured has the loss of the nearest one that was (lower ones first: they rise
/// further above the noise) times the ratio of the formats' squared errors.
double measured_loss(const Sensitivities::Unit& unit, Precision precision, Precision own);

/// Puts measured losses in the place of predicted ones, in all layers and the head. Throws Error
/// about `where` (the file) when they are of another model.
void use_sensitivities(PlanProblem& problem, const Sensitivities& measured,
                       const std::string& where);

}  // namespace tessera
