// What a step costs the host: plan() and commit() with many sequences that decode, apart from the
// work of the devices. Goal: 50 us with 256 sequences.
#include <benchmark/benchmark.h>

#include <optional>
#include <vector>

#include "runtime/scheduler.h"

namespace tessera {
namespace {

ScheduledRequest request_of(RequestId id, int64_t rows, int64_t max_new_tokens) {
  ScheduledRequest request;
  request.id = id;
  request.user = id % 2 == 0 ? "even" : "odd";
  request.max_new_tokens = max_new_tokens;
  for (int64_t row = 0; row < rows; ++row)
    request.ids.push_back(static_cast<int32_t>(row < rows - 32 ? row : static_cast<int64_t>(id)));
  return request;
}

// Sequences with prompts of 2,000 rows, alike so that they start at once, that decode to 4,096, and
// a queue behind them: each step is made, and the one before it committed.
void plan_and_commit(benchmark::State& state) {
  const int64_t sequences = state.range(0);
  const int groups = static_cast<int>(state.range(1));
  const SchedulerLimits limits = {.rows = 512,
                                  .running = sequences,
                                  .context = 4096,
                                  .waiting = 1024,
                                  .in_flight = groups == 1 ? 2 : groups,
                                  .decode_groups = groups};
  BlockPool pool(sequences * 4096 / 16);
  Scheduler scheduler(limits, pool);
  std::vector<Step> in_flight;
  RequestId next = 0;
  const std::vector<int32_t> tokens(static_cast<size_t>(sequences), 1);
  const auto commit = [&] {
    const Step step = std::move(in_flight.front());
    in_flight.erase(in_flight.begin());
    size_t draws = 0;
    for (const StepPart& part : step.parts) draws += part.draws.size();
    scheduler.commit(step, std::span(tokens).first(draws));
  };
  const auto plan = [&] {
    auto step = scheduler.plan();
    if (step.has_value()) in_flight.push_back(std::move(*step));
    return step.has_value();
  };
  for (int64_t i = 0; i < sequences; ++i) {
    scheduler.add(request_of(++next, 2000, 2096));
    while (scheduler.waiting_rows() > 0) {
      while (plan()) {
      }
      commit();
    }
  }
  for (int i = 0; i < 256; ++i) scheduler.add(request_of(++next, 2000, 96));
  while (static_cast<int>(in_flight.size()) > 0) commit();
  while (plan()) {
  }

  int64_t steps = 0, rows = 0;
  for (auto _ : state) {
    commit();
    while (plan()) {
      ++steps;
      rows += in_flight.back().decode_rows;
    }
    if (steps >= 1900) {  // before the first one has all its tokens
      state.SkipWithError("too many iterations");
      break;
    }
  }
  state.counters["rows/step"] = static_cast<double>(rows) / static_cast<double>(steps);
}
BENCHMARK(plan_and_commit)
    ->ArgsProduct({{16, 64, 256}, {1, 4}})
    ->ArgNames({"sequences", "groups"})
    ->Iterations(1500)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tessera
