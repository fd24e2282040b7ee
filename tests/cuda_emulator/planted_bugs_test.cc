#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/run_program.h"

// Which of the emulator's means finds which bug. Each bug runs in a program of its own, in several
// orders: plain, and under whichever sanitizer this build has.

namespace tessera {
namespace {

using testing::HasSubstr;

#ifdef TESSERA_UNDER_TSAN
constexpr bool kThreadSanitizer = true;
constexpr const char* kOrders[] = {"forward", "reverse"};
#else
constexpr bool kThreadSanitizer = false;
constexpr const char* kOrders[] = {"forward", "reverse", "random:1", "random:2"};
#endif
#ifdef TESSERA_UNDER_ASAN
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

struct Finding {
  std::string_view bug;
  std::string_view report = "";      ///< in every order
  bool by_order = false;             ///< results differ from one order to another
  bool by_nan = false;               ///< in some order
  std::string_view by_address = "";  ///< AddressSanitizer or UndefinedBehaviorSanitizer says so
  bool by_thread = false;            ///< ThreadSanitizer sees a race
};

void PrintTo(const Finding& finding, std::ostream* out) {
  *out << finding.bug;
}

const Finding kFindings[] = {
    {.bug = "no_barrier", .by_order = true, .by_nan = true, .by_thread = true},
    {.bug = "barrier_in_a_branch",
     .report = "64 threads (first 0, last 63) wait in __syncthreads",
     .by_thread = true},
    {.bug = "two_barriers", .report = "threads of a block meet at different barriers"},
    {.bug = "barrier_after_exit", .report = "32 threads (first 96, last 127) have exited"},
    {.bug = "lane_has_left", .report = "wait in __shfl_xor_sync of lanes ffffffff"},
    {.bug = "another_collective", .report = "wait in __syncwarp of lanes ffffffff"},
    {.bug = "not_in_mask", .report = "a lane shuffles from a lane that is not in the mask"},
    {.bug = "divergent_mma", .report = "must do this in the same place of the program"},
    {.bug = "read_past_the_end", .by_address = "use-after-poison"},
    {.bug = "write_past_the_end", .by_address = "use-after-poison"},
    {.bug = "past_a_member", .by_nan = true, .by_address = "index 128 out of bounds"},
    {.bug = "past_dynamic_shared", .by_address = "heap-buffer-overflow"},
    {.bug = "uninitialised_shared", .by_nan = true},
    {.bug = "shared_of_the_last_block", .by_nan = true},
    {.bug = "no_async_wait", .by_nan = true},
    {.bug = "async_wait_one_short", .by_nan = true},
    {.bug = "async_copy_too_early", .by_nan = true, .by_thread = true},
    {.bug = "read_beside_atomics", .by_order = true, .by_thread = true},
    {.bug = "misaligned", .by_address = "misaligned address"},
    {.bug = "write_race", .by_order = true, .by_thread = true},
    {.bug = "shuffle_as_fence", .by_thread = true},
    {.bug = "blocks_race", .by_order = true, .by_thread = true},
    {.bug = "last_block_without_fence", .by_thread = true},
    {.bug = "no_event_wait", .by_order = true, .by_thread = true},
    {.bug = "event_too_early", .by_order = true, .by_thread = true},
    {.bug = "pinned_overwritten", .by_nan = true, .by_thread = true},
    {.bug = "pinned_read_too_early", .by_nan = true, .by_thread = true},
    {.bug = "use_after_free", .report = "is no device or pinned memory"},
    {.bug = "another_gpus_memory", .report = "of a kernel on GPU 0 is GPU 1's memory"},
    {.bug = "host_pointer", .report = "is no device or pinned memory"},
};

class PlantedBugs : public testing::TestWithParam<Finding> {};

ProgramResult run_planted_bug(std::string_view bug, const char* order, bool unseen = false) {
  ::setenv("TESSERA_EMULATED_ORDER", order, 1);
  // Each test is a process of its own with one thread.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (kThreadSanitizer) ::setenv("TSAN_OPTIONS", "halt_on_error=1:symbolize=0", 1);
  std::vector<std::string> command = {TESSERA_PLANTED_BUG, std::string(bug)};
  if (unseen) command.emplace_back("unseen");
  return run_program(command);
}

TEST_P(PlantedBugs, AreFound) {
  const Finding& finding = GetParam();
  if (kThreadSanitizer && !finding.by_thread) GTEST_SKIP() << "found by other means";
  std::set<std::string> results;
  bool nan = false;
  for (const char* order : kOrders) {
    const ProgramResult ran = run_planted_bug(finding.bug, order);
    SCOPED_TRACE(std::string(order) + "\n" + ran.out + ran.err);
    if (kThreadSanitizer && finding.by_thread) {
      EXPECT_NE(ran.status, 0);
      EXPECT_THAT(ran.err, HasSubstr("data race"));
    } else if (kAddressSanitizer && !finding.by_address.empty()) {
      EXPECT_NE(ran.status, 0);
      EXPECT_THAT(ran.err, HasSubstr(finding.by_address));
    } else if (!finding.report.empty()) {
      EXPECT_EQ(ran.status, 0);
      EXPECT_THAT(ran.out, HasSubstr("report"));
      EXPECT_THAT(ran.out, HasSubstr(finding.report));
    }
    results.insert(ran.out);
    nan = nan || ran.out.ends_with(" nan\n");
  }
  const bool ended_early =
      (kThreadSanitizer && finding.by_thread) || (kAddressSanitizer && !finding.by_address.empty());
  if (ended_early) return;
  EXPECT_TRUE(!finding.by_order || results.size() > 1) << *results.begin();
  EXPECT_TRUE(!finding.by_nan || nan) << *results.begin();
}

#ifdef TESSERA_UNDER_TSAN
// What copies and the host do to each other shows all the same, and what kernels do does not.
TEST(PlantedCopyBugs, AreFoundWhereKernelsAreUnseen) {
  for (const char* bug : {"no_event_wait", "pinned_overwritten", "pinned_read_too_early"})
    EXPECT_THAT(run_planted_bug(bug, "reverse", true).err, HasSubstr("data race")) << bug;
  for (const char* bug : {"no_barrier", "blocks_race", "event_too_early"})
    EXPECT_THAT(run_planted_bug(bug, "reverse", true).err, testing::Not(HasSubstr("data race")))
        << bug;
}
#endif

INSTANTIATE_TEST_SUITE_P(All, PlantedBugs, testing::ValuesIn(kFindings),
                         [](const auto& test) { return std::string(test.param.bug); });

}  // namespace
}  // namespace tessera
