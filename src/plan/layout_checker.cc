#include "plan/layout_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "plan/index.h"
#include "plan/memory_model.h"

namespace tessera {
namespace {

constexpr int kNoDevice = -1;  // none, or the host

class LayoutChecker {
 public:
  LayoutChecker(const PlanProblem& problem, const Plan& plan, int64_t kv_blocks, Findings& findings)
      : p_(problem), plan_(plan), kv_blocks_(kv_blocks), findings_(findings) {}

  // Each part counts on the one before.
  void check() {
    check_stages();
    check_side_devices();
    check_placed("vision", &PlanStage::vision, plan_.vision_device, p_.vision ? 1 : 0);
    check_placed("embedding", &PlanStage::embedding, plan_.embedding_device,
                 plan_.embedding_device == kNoDevice && p_.embedding_on_host_allowed ? 0 : 1);
    if (findings_.none()) check_precisions();
    if (!findings_.none()) return;
    for (size_t s = 0; s < plan_.stages.size(); ++s)
      check_bytes(fmt::format("stage {}", s), plan_.stages[s]);
    for (const PlanStage& side : plan_.side_devices) check_bytes(name_of_side(side), side);
  }

 private:
  static std::string name_of_side(const PlanStage& side) {
    return fmt::format("device {} without layers", side.device);
  }

  void check_stages() {
    const int layers = static_cast<int>(p_.layers.size());
    if (plan_.stages.empty()) return findings_.say("stages: none");
    int next = 0;
    for (size_t s = 0; s < plan_.stages.size(); ++s) {
      const PlanStage& stage = plan_.stages[s];
      const std::string what = fmt::format("stage {}", s);
      check_device(what, stage);
      if (stage.first_layer != next || stage.last_layer < next || stage.last_layer >= layers)
        return findings_.say(fmt::format("{}: layers {} to {}, should be from {} to at most {}",
                                         what, stage.first_layer, stage.last_layer, next,
                                         layers - 1));
      next = stage.last_layer + 1;
      findings_.same(what + ": precisions", stage.precisions.size(), at(stage.layer_count()));
      findings_.same(what + ": head", stage.head, s + 1 == plan_.stages.size());
    }
    findings_.same("layers placed", next, layers);
  }

  void check_side_devices() {
    for (const PlanStage& side : plan_.side_devices) {
      check_device(name_of_side(side), side);
      if (side.first_layer != 0 || side.last_layer != -1 || !side.precisions.empty() || side.head)
        findings_.say(name_of_side(side) + ": has layers or the head");
      if (!side.vision && !side.embedding) findings_.say(name_of_side(side) + ": holds nothing");
    }
  }

  void check_device(const std::string& what, const PlanStage& stage) {
    if (stage.device < 0 || at(stage.device) >= p_.devices.size())
      return findings_.say(fmt::format("{}: there is no device {}", what, stage.device));
    if (!used_.insert(stage.device).second)
      findings_.say(fmt::format("{}: device {} is used twice", what, stage.device));
  }

  void check_placed(const std::string& unit, bool PlanStage::*holds, int device, int times) {
    int count = 0;
    for (const auto* list : {&plan_.stages, &plan_.side_devices})
      for (const PlanStage& stage : *list)
        if (stage.*holds) {
          ++count;
          findings_.same(unit + " device", device, stage.device);
        }
    findings_.same("devices that hold the " + unit, count, times);
    if (times == 0) findings_.same(unit + " device", device, kNoDevice);
  }

  // A unit has the precision asked for, or one that the search may fall back to.
  void check_precisions() {
    check_precision("head", p_.head, plan_.head_precision);
    for (const PlanStage& stage : plan_.stages)
      for (int layer = stage.first_layer; layer <= stage.last_layer; ++layer)
        check_precision(fmt::format("layer {}", layer), p_.layers[at(layer)],
                        stage.precisions[at(layer - stage.first_layer)]);
  }

  void check_precision(const std::string& what, const PlanUnit& unit, Precision precision) {
    const auto is = [&](Precision wanted) { return precision == precision_of(unit, wanted); };
    if (!is(asked_precision(p_)) && std::ranges::none_of(p_.precisions, is))
      findings_.say(fmt::format("{}: {} is not one of the precisions allowed", what,
                                precision_name(precision)));
  }

  void check_bytes(const std::string& what, const PlanStage& stage) {
    const StageBytes bytes = stage_bytes(p_, plan_, stage, kv_blocks_);
    findings_.same(what + ": bytes of weights", stage.bytes.weights, bytes.weights);
    findings_.same(what + ": bytes of the vision tower", stage.bytes.vision, bytes.vision);
    findings_.same(what + ": bytes of the embedding", stage.bytes.embedding, bytes.embedding);
    findings_.same(what + ": bytes of the head", stage.bytes.head, bytes.head);
    findings_.same(what + ": bytes of KV", stage.bytes.kv, bytes.kv);
    findings_.same(what + ": bytes of the arena", stage.bytes.arena, bytes.arena);
    findings_.same(what + ": fixed bytes", stage.bytes.fixed, bytes.fixed);
    const uint64_t budget = p_.devices[at(stage.device)].budget_bytes;
    if (bytes.total() > budget)
      findings_.say(fmt::format("{}: {} bytes are more than {}", what, bytes.total(), budget));
  }

  const PlanProblem& p_;
  const Plan& plan_;
  const int64_t kv_blocks_;
  Findings& findings_;
  std::set<int> used_;
};

}  // namespace

void check_layout(const PlanProblem& problem, const Plan& plan, int64_t kv_blocks,
                  Findings& findings) {
  LayoutChecker(problem, plan, kv_blocks, findings).check();
}

StageBytes stage_bytes(const PlanProblem& problem, const Plan& plan, const PlanStage& stage,
                       int64_t kv_blocks) {
  const Holds holds = {.layers = stage.layer_count() > 0,
                       .head = stage.head,
                       .vision = stage.vision,
                       .embedding = stage.embedding};
  return device_bytes(problem, problem.devices[at(stage.device)], holds, stage.first_layer,
                      stage.precisions, plan.head_precision, kv_blocks);
}

}  // namespace tessera
