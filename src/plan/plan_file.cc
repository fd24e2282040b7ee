#include "plan/plan_file.h"

#include <fmt/format.h>

#include "base/file.h"
#include "plan/layout_checker.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxPlanFileBytes = 16 << 20;

}  // namespace

Plan read_plan_file(const std::string& path) {
  return plan_from_text(read_file(path, kMaxPlanFileBytes), path);
}

void require_usable(const Plan& plan, const PlanProblem& problem, const std::string& where) {
  const auto refuse = [&](const char* what, int64_t expected, int64_t found, const char* hint) {
    throw Error({.where = where,
                 .what = what,
                 .expected = fmt::format("{}", expected),
                 .found = fmt::format("{}", found),
                 .hint = hint});
  };
  if (!plan.fits)
    throw Error({.where = where, .expected = "a plan that fits", .found = "one that does not"});
  const Workload& wanted = problem.workload;
  if (plan.context != wanted.context)
    refuse("context", wanted.context, plan.context, "--context asks for the plan's own");
  if (plan.sequences != wanted.sequences)
    refuse("sequences", wanted.sequences, plan.sequences,
           "tessera plan --sequences plans for more");

  if (plan.kv != problem.kv)
    throw Error({.where = where,
                 .what = "keys and values",
                 .expected = std::string(kv_format_name(problem.kv)),
                 .found = std::string(kv_format_name(plan.kv)),
                 .hint = fmt::format("--kv {} asks for the plan's own", kv_format_name(plan.kv))});

  Findings findings;
  check_layout(problem, plan, kv_blocks_of(wanted), findings);
  if (findings.none()) return;
  throw Error({.where = where,
               .what = findings.take().front(),
               .hint = "was the plan made for this model, these devices and this precision?"});
}

}  // namespace tessera
