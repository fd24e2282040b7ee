// A file of sensitivities: read, written again, and used for a plan as --sensitivities does.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/planner.h"
#include "plan/sensitivities.h"
#include "tessera/error.h"
#include "tests/fuzz/plan_problem.h"

namespace tessera {
namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void use(const Sensitivities& measured, PlanProblem problem) {
  try {
    use_sensitivities(problem, measured, "fuzz");
  } catch (const Error&) {
    return;
  }
  // Whatever was let in, the planner can count with.
  require(make_plan(problem, Objective::kLatency).certificate.loss >= 0);
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static const PlanProblem tight = fuzz_problem(true);
  try {
    const Sensitivities measured =
        sensitivities_from_text({reinterpret_cast<const char*>(data), size}, "fuzz");
    require(sensitivities_from_text(sensitivities_to_text(measured), "again") == measured);
    use(measured, tight);
  } catch (const Error&) {
  }
  return 0;
}
