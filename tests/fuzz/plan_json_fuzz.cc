// A plan file: read, shown, and held against two problems as `tessera run --plan` and
// `tessera plan --check` do.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/certificate_checker.h"
#include "plan/plan_file.h"
#include "tessera/error.h"
#include "tests/fuzz/plan_problem.h"

namespace tessera {
namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void use(const Plan& plan, const PlanProblem& problem) {
  (void)check_plan(problem, plan);
  try {
    require_usable(plan, problem, "fuzz");
  } catch (const Error&) {
    return;
  }
  // What may be laid out stays inside the budgets.
  for (const auto* list : {&plan.stages, &plan.side_devices})
    for (const PlanStage& stage : *list)
      require(stage.bytes.total() <=
              problem.devices.at(static_cast<size_t>(stage.device)).budget_bytes);
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static const PlanProblem roomy = fuzz_problem(false), tight = fuzz_problem(true);
  try {
    const Plan plan = plan_from_text({reinterpret_cast<const char*>(data), size}, "fuzz");
    require(plan_from_text(plan_to_text(plan), "again") == plan);
    (void)plan_to_table(plan);
    (void)plan_to_svg(plan, "fuzz");
    use(plan, roomy);
    use(plan, tight);
  } catch (const Error&) {
  }
  return 0;
}
