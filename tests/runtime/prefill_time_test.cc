// Prompts beside decodes by a simulated clock: what a step may take, and that none starves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/prefill_budget.h"
#include "tests/runtime/scheduler_model.h"

namespace tessera {
namespace {

// A machine of which prompts ask much beside a cheap decode.
double step_s(int64_t decode_rows, int64_t prefill_rows) {
  return 4e-3 + 0.5e-3 * static_cast<double>(decode_rows) +
         0.5e-3 * static_cast<double>(prefill_rows);
}

struct Served {
  double longest = 0;         ///< step with decodes, in steps of these decodes alone
  double seconds = 0;         ///< until all is done
  int64_t least_rows = 256;   ///< of a step's prompts while more than that wait
  std::vector<int64_t> rows;  ///< of prompts, step by step
};

// 16 sequences decode, 4 prompts of 250 rows come at once, twice; the second time is counted.
Served serve(bool with_clock) {
  SchedulerModel model({.rows = 256, .running = 32, .context = 4096, .in_flight = 2}, 2000);
  int asked = 0;
  const auto add = [&](int requests, int64_t rows, int64_t max_new_tokens) {
    for (int i = 0; i < requests; ++i) {
      ++asked;
      model.add(make_request(static_cast<RequestId>(asked), rows, max_new_tokens, asked));
    }
  };
  add(16, 16, 1000);
  Served run;
  const auto work = [&](bool counted) {
    while (model.scheduler.waiting_rows() > 0) {
      for (int64_t waiting = model.scheduler.waiting_rows(); model.plan();
           waiting = model.scheduler.waiting_rows()) {
        const Step& step = model.newest();
        const double seconds = step_s(step.decode_rows, step.prefill_rows);
        run.seconds += seconds;
        run.rows.push_back(step.prefill_rows);
        if (waiting >= 32) run.least_rows = std::min(run.least_rows, step.prefill_rows);
        if (with_clock) model.scheduler.took(step, seconds);
        if (!counted || step.decode_rows == 0) continue;
        run.longest = std::max(run.longest, seconds / step_s(step.decode_rows, 0));
      }
      model.commit();
    }
  };
  work(false);
  for (const bool counted : {false, true}) {
    add(4, 250, 4);
    work(counted);
  }
  EXPECT_THAT(model.wrong, testing::IsEmpty());
  return run;
}

TEST(PrefillTime, KeepsStepsWithinTheirFactorOfADecodeOnceItKnowsTheClock) {
  EXPECT_GT(serve(false).longest, kLongestStep + 1);
  const Served run = serve(true);
  // The fit is of exact times; the factor is of decodes as they were when the step was planned.
  EXPECT_LE(run.longest, 1.1 * kLongestStep);
  EXPECT_GE(run.longest, 0.8 * kLongestStep);  // and uses what it has
}

TEST(PrefillTime, StarvesNoPrompt) {
  const Served with = serve(true), without = serve(false);
  EXPECT_GE(with.least_rows, 32);
  EXPECT_LT(with.seconds, 1.4 * without.seconds);  // to the last prompt's last row
}

TEST(PrefillTime, WithoutAClockTheSameStepsEachTime) {
  EXPECT_EQ(serve(false).rows, serve(false).rows);
  EXPECT_NE(serve(true).rows, serve(false).rows);
}

}  // namespace
}  // namespace tessera
