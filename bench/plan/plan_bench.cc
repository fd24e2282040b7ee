// What exact planning buys over the placement rules of other engines, and how long it takes.
//   plan_bench          both tables; the first stands in docs/planner.md
//   plan_bench rules    the first alone
//   plan_bench time     the second alone

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "base/clock.h"
#include "base/units.h"
#include "bench/plan/rules.h"
#include "plan/loss_replay.h"
#include "plan/planner.h"
#include "tests/plan/yi_34b.h"

namespace tessera {
namespace {

void print_plan(const std::string& what, const Plan& plan) {
  std::string layers;
  for (const PlanStage& stage : plan.stages)
    layers += fmt::format("{}{}", layers.empty() ? "" : "/", stage.layer_count());
  fmt::print("  {:<14} {:<12} {:>9.2f} {:>9.2f} {:>9.2f} {:>10} {}\n", what, layers,
             plan.predicted.bottleneck_s * 1e3, plan.predicted.decode_s_per_token * 1e3,
             plan.predicted.answer_s, plan.kv_room_tokens, plan.fits ? "" : "does not fit");
}

void print_case(const std::string& name, const PlanProblem& problem) {
  fmt::print("\n{}\n  {:<14} {:<12} {:>9} {:>9} {:>9} {:>10}\n", name, "rule", "layers",
             "slowest ms", "step ms", "answer s", "KV room");
  for (const RulePlan& rule : plans_by_rule(problem, Objective::kThroughput))
    print_plan(rule.rule, rule.plan);
  print_plan("exact", make_plan(problem, Objective::kThroughput));
  print_plan("exact, latency", make_plan(problem, Objective::kLatency));
}

void compare_rules() {
  fmt::print("Yi-VL-34B, rooflines of the cards' data sheets; one 4k sequence promised\n");
  PlanProblem problem = yi_34b({rtx_3090(0), rtx_3090(1), rtx_3090(2)});
  problem.workload.context = 1024;
  print_case("3 x RTX 3090, bf16", problem);

  problem = yi_34b({rtx_3090(0), rtx_3090(1), rtx_3080(2)});
  problem.precisions = {Precision::kInt8};
  problem.workload.micro_batch = problem.workload.sequences = 4;
  print_case("2 x RTX 3090 + RTX 3080 10 GiB, int8, 4 sequences", problem);

  problem = yi_34b({rtx_3090(0), rtx_3090(1, 0.6), rtx_3090(2)});
  problem.precisions = {Precision::kInt8};
  problem.workload.micro_batch = problem.workload.sequences = 4;
  print_case("3 x RTX 3090, the second at 60 %, int8, 4 sequences", problem);
}

void print_time(const std::string& what, const PlanProblem& problem, Objective objective) {
  const double start = now_s();
  const Plan plan = make_plan(problem, objective);
  const double seconds = now_s() - start;
  const Certificate& c = plan.certificate;
  const double gap =
      c.value_ns > 0 ? 1 - static_cast<double>(c.optimum_ns) / static_cast<double>(c.value_ns) : 0;
  const int64_t least_loss = least_loss_bound(problem, kv_blocks_of(problem.workload));
  const double loss_gap =
      c.loss > 0 ? 1 - static_cast<double>(least_loss) / static_cast<double>(c.loss) : 0;
  fmt::print("  {:<30} {:<11} {:>9} {:>7} {:>8.2f} % {:>8.2f} % {}\n", what,
             objective_name(objective), format_duration(seconds),
             plan.fits ? plan.stages.size() : 0, gap * 100, loss_gap * 100,
             c.exact && c.loss_exact ? "proven" : "bound");
  std::fflush(stdout);
}

void search_times() {
  fmt::print(
      "\nSearch time, 100 layers; the loss beside that of a fractional knapsack\n"
      "  {:<30} {:<11} {:>9} {:>7} {:>10} {:>10}\n",
      "", "objective", "time", "stages", "gap", "loss gap");
  for (const int devices : {3, 4, 8, 12, 16})
    for (const Objective objective :
         {Objective::kLatency, Objective::kThroughput, Objective::kContext})
      print_time(fmt::format("{} different devices", devices), all_different(100, devices),
                 objective);
  for (const int devices : {3, 4, 8, 16}) {
    PlanProblem tight = all_different(100, devices);
    for (PlanDevice& d : tight.devices) d.budget_bytes = d.budget_bytes * 6 / 10;
    tight.precisions = {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5,
                        Precision::kInt4};
    for (const Objective objective : {Objective::kLatency, Objective::kThroughput})
      print_time(fmt::format("{} different, 5 precisions", devices), tight, objective);
  }
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what != "time") tessera::compare_rules();
  if (what != "rules") tessera::search_times();
}
