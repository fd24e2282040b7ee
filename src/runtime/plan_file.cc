#include <fmt/format.h>

#include "base/file.h"
#include "base/units.h"
#include "plan/memory_model.h"
#include "runtime/planning.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxPlanFileBytes = 16 << 20;

// Holds a plan from a file against the devices and the model that it is to be used for. Whether it
// is the best plan is not asked: the user's own split is welcome.
class PlanCheck {
 public:
  PlanCheck(const std::string& path, const PlanProblem& problem, const Plan& plan)
      : path_(path), problem_(problem), plan_(plan) {}

  void run() const {
    if (!plan_.fits || plan_.stages.empty()) fail("fits", "a plan that fits", "one that does not");
    if (plan_.context != problem_.workload.context)
      fail("context",
           fmt::format("{} (or ask for this one with --context)", problem_.workload.context),
           fmt::format("{}", plan_.context));
    if (plan_.sequences != problem_.workload.sequences)
      fail("sequences", fmt::format("{}", problem_.workload.sequences),
           fmt::format("{}", plan_.sequences));
    check_layers();
    if ((plan_.vision_device >= 0) != problem_.vision.has_value())
      fail("vision device", problem_.vision ? "one" : "none", "the other");
    for (const auto* stages : {&plan_.stages, &plan_.side_devices})
      for (const PlanStage& stage : *stages) check_stage(stage);
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& expected,
                         const std::string& found) const {
    throw Error({.where = path_,
                 .what = what,
                 .expected = expected,
                 .found = found,
                 .hint = "was the plan made for this model and these devices?"});
  }

  void check_layers() const {
    int next = 0;
    for (const PlanStage& stage : plan_.stages) {
      if (stage.first_layer != next || stage.last_layer < stage.first_layer)
        fail("stages", fmt::format("the layers from {} on, without a gap", next),
             fmt::format("{} to {}", stage.first_layer, stage.last_layer));
      next = stage.last_layer + 1;
    }
    const auto layers = static_cast<int>(problem_.layers.size());
    if (next != layers) fail("stages", fmt::format("{} layers", layers), fmt::format("{}", next));
  }

  void check_stage(const PlanStage& stage) const {
    const auto devices = static_cast<int>(problem_.devices.size());
    if (stage.device < 0 || stage.device >= devices)
      fail("device", fmt::format("0 to {}", devices - 1), fmt::format("{}", stage.device));
    const PlanDevice& device = problem_.devices[static_cast<size_t>(stage.device)];
    if (static_cast<int>(stage.precisions.size()) != stage.layer_count())
      fail(device.name, fmt::format("{} precisions", stage.layer_count()),
           fmt::format("{}", stage.precisions.size()));
    for (int i = 0; i < stage.layer_count(); ++i) {
      const PlanUnit& layer = problem_.layers[static_cast<size_t>(stage.first_layer + i)];
      if (!layer.costs.contains(stage.precisions[static_cast<size_t>(i)]))
        fail(layer.name, "a precision of --precision",
             std::string(precision_name(stage.precisions[static_cast<size_t>(i)])));
    }
    const Holds holds{.layers = stage.layer_count() > 0,
                      .head = stage.head,
                      .vision = stage.vision,
                      .embedding = stage.embedding};
    const StageBytes bytes =
        device_bytes(problem_, device, holds, stage.first_layer, stage.precisions,
                     plan_.head_precision, kv_blocks_of(problem_.workload));
    if (bytes.total() > device.budget_bytes)
      fail(device.name, fmt::format("at most {}", format_bytes(device.budget_bytes)),
           fmt::format("{} planned", format_bytes(bytes.total())));
    if (bytes != stage.bytes)
      fail(device.name, fmt::format("{} planned", format_bytes(bytes.total())),
           fmt::format("{} in the file", format_bytes(stage.bytes.total())));
  }

  const std::string& path_;
  const PlanProblem& problem_;
  const Plan& plan_;
};

}  // namespace

Plan read_plan_file(const std::string& path, const PlanProblem& problem) {
  Plan plan = plan_from_text(read_file(path, kMaxPlanFileBytes), path);
  PlanCheck(path, problem, plan).run();
  return plan;
}

}  // namespace tessera
