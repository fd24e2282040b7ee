#include "runtime/scheduler.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/runtime/scheduler_model.h"
#include "tests/support/allocation_limit.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SchedulerLimits limits_of(int64_t rows, int64_t running, int in_flight, int decode_groups) {
  return {.rows = rows,
          .running = running,
          .context = 100000,
          .in_flight = in_flight,
          .decode_groups = decode_groups};
}

// Of the newest step's first part.
std::vector<int> draws(const SchedulerModel& model) {
  const auto shown = model.newest().parts.at(0).draws;
  return {shown.begin(), shown.end()};
}

// All of these decode, none is in flight.
void start_all(SchedulerModel& model, int64_t sequences, int64_t rows, int64_t max_new_tokens) {
  for (int64_t i = 1; i <= sequences; ++i)
    model.add(make_request(static_cast<RequestId>(i), rows, max_new_tokens, static_cast<int>(i)));
  while (model.scheduler.waiting_rows() > 0) {
    while (model.plan()) model.check();
    model.commit();
  }
  while (model.in_flight() > 0) model.commit();
}

TEST(Scheduler, FillsAllSlotsWithTheChunksOfALongPrompt) {
  SchedulerModel model(limits_of(64, 4, 3, 3), 100);
  model.add(make_request(1, 500, 4));
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    ASSERT_TRUE(model.plan());
    EXPECT_EQ(model.newest().prefill_rows, 64);
    EXPECT_EQ(model.newest().parts.at(0).first, 64 * chunk);
    EXPECT_THAT(draws(model), IsEmpty());
  }
  EXPECT_FALSE(model.plan());  // no slot
  for (int i = 0; i < 5; ++i) {
    model.commit();
    ASSERT_TRUE(model.plan());
  }
  EXPECT_THAT(draws(model), ElementsAre(0));
  EXPECT_EQ(model.newest().prefill_rows, 500 % 64);
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, SpreadsDecodesEvenlyOverTheGroups) {
  for (const int64_t sequences : {1, 3, 4, 6, 8, 11}) {
    SchedulerModel model(limits_of(64, 16, 4, 4), 200);
    start_all(model, sequences, 5, 60);
    for (int step = 0; step < 40; ++step) {
      while (model.plan()) {
        EXPECT_GE(model.newest().decode_rows, std::max<int64_t>(sequences / 4, 1));
        EXPECT_LE(model.newest().decode_rows, (sequences + 3) / 4) << sequences;
      }
      ASSERT_GT(model.in_flight(), 0U);
      if (step > 8) {
        EXPECT_GE(model.in_flight(), std::min<size_t>(3, static_cast<size_t>(sequences)))
            << sequences;
      }
      model.commit();
    }
    for (int64_t i = 1; i <= sequences; ++i) {  // nobody is left behind
      const auto made = model.tokens({.request = static_cast<RequestId>(i)}).size();
      EXPECT_GE(static_cast<double>(made), 40.0 / 4 - 2) << sequences;
    }
    model.finish();
    EXPECT_THAT(model.wrong, IsEmpty());
  }
}

TEST(Scheduler, KeepsOneGroupTogetherAndMergesWhoJoins) {
  SchedulerModel model(limits_of(64, 16, 2, 1), 200);
  start_all(model, 5, 5, 60);
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().decode_rows, 5);
  EXPECT_FALSE(model.plan());  // it would read the weights for nothing

  model.add(make_request(6, 50, 60, 6));
  EXPECT_FALSE(model.plan());  // its prompt goes with the next tokens
  model.commit();
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().decode_rows, 5);
  EXPECT_EQ(model.newest().prefill_rows, 32);  // of the throttled prompt
  model.commit();
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().prefill_rows, 18);
  model.commit();
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().decode_rows, 6);
  model.commit();
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, OnAPipelineWithOneGroupPromptsUseTheOtherSlots) {
  SchedulerModel model(limits_of(64, 16, 4, 1), 400);
  start_all(model, 5, 5, 60);
  model.add(make_request(6, 1000, 10, 6));
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().decode_rows, 5);
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().decode_rows, 0);
  EXPECT_GE(model.newest().prefill_rows, 32);
  for (int step = 0; step < 45; ++step) {  // and who has joined by its prompt's end stays with all
    model.commit();
    while (model.plan()) EXPECT_THAT(model.newest().decode_rows, AnyOf(0, 5, 6));
  }
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, ChoicesShareThePromptAndCopyItsLastBlock) {
  SchedulerModel model(limits_of(64, 4, 1, 1), 20);
  ScheduledRequest request = make_request(1, 40, 4);
  request.choices = 3;
  model.add(request);
  ASSERT_TRUE(model.plan());
  EXPECT_THAT(draws(model), ElementsAre(0, 1, 2));
  EXPECT_EQ(model.scheduler.running(), 3);
  model.commit();
  EXPECT_EQ(model.scheduler.blocks_used(), 3);
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().decode_rows, 3);
  EXPECT_EQ(model.newest().copies.size(), 2U);  // the last one writes in place
  EXPECT_EQ(model.scheduler.blocks_used(), 5);
  model.commit();
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, FindsThePromptOfAnEarlierRequest) {
  SchedulerModel model(limits_of(64, 4, 1, 1), 30);
  model.add(make_request(1, 50, 2, 7));
  model.finish();
  EXPECT_EQ(model.scheduler.blocks_used(), 0);
  EXPECT_EQ(model.scheduler.blocks_cached(), 3);
  model.add(make_request(2, 50, 2, 7));
  EXPECT_EQ(model.scheduler.cached_rows(2), 48);
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().prefill_rows, 2);
  EXPECT_EQ(model.scheduler.cached_rows(2), 48);
  model.finish();
  model.add(make_request(3, 48, 2, 7));  // its last row is computed in any case
  EXPECT_EQ(model.scheduler.cached_rows(3), 32);
  model.finish();
  model.scheduler.forget_cached();
  EXPECT_EQ(model.scheduler.blocks_cached(), 0);
  model.add(make_request(4, 50, 2, 7));
  EXPECT_EQ(model.scheduler.cached_rows(4), 0);
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, APictureIsPartOfThePrefix) {
  SchedulerModel model(limits_of(64, 4, 1, 1), 60);
  const auto ask = [](RequestId id, uint64_t picture) {
    ScheduledRequest request = make_request(id, 80, 2);
    request.pictures = {{.first_row = 3, .rows = 60, .hash = {picture, 1}}};
    for (size_t row = 3; row < 63; ++row) request.ids[row] = 0;
    return request;
  };
  model.add(ask(1, 5));
  EXPECT_FALSE(model.plan());  // three rows alone are not worth a step
  EXPECT_THAT(model.scheduler.awaiting_pictures(), ElementsAre(1));
  model.set_ready_rows(1, 80);
  model.finish();
  model.add(ask(2, 5));
  model.add(ask(3, 6));
  EXPECT_EQ(model.scheduler.cached_rows(2), 64);  // needs no picture
  EXPECT_EQ(model.scheduler.cached_rows(3), 0);
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().parts.at(0).sequence.request, 2U);
  EXPECT_EQ(model.newest().prefill_rows, 16);
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, APictureThatGoesOnIsNotOneThatBegins) {
  SchedulerModel model(limits_of(64, 4, 1, 1), 60);
  ScheduledRequest request = make_request(1, 40, 2);
  std::fill_n(request.ids.begin(), 32, 0);
  request.pictures = {{.first_row = 0, .rows = 32, .hash = {5, 1}}};
  model.add(request);
  model.finish();
  request.id = 2;
  request.pictures = {{.first_row = 0, .rows = 16, .hash = {5, 1}},
                      {.first_row = 16, .rows = 16, .hash = {5, 1}}};
  model.add(request);
  EXPECT_EQ(model.scheduler.cached_rows(2), 16);
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, PutsBackTheYoungestAndComputesItAgain) {
  SchedulerLimits limits = limits_of(64, 4, 1, 1);
  limits.prefix_cache = false;
  SchedulerModel model(limits, 8);
  model.add(make_request(1, 30, 60, 1));
  model.add(make_request(2, 30, 60, 2));
  uint64_t before = 0;
  while (model.live() > 0) {
    while (model.plan()) model.check();
    if (model.scheduler.preemptions() > before) {
      before = model.scheduler.preemptions();
      EXPECT_TRUE(model.has(1)) << "the older one was put back";
      EXPECT_EQ(model.newest().parts.size(), 1U);
      EXPECT_EQ(model.newest().parts[0].sequence.request, 1U);
    }
    model.commit();
    ASSERT_THAT(model.wrong, IsEmpty());
  }
  EXPECT_GT(before, 0U);
  EXPECT_EQ(model.pool.free_blocks(), 8);
}

TEST(Scheduler, GoesOnWithOthersWhenThePickedOnePutsItselfBack) {
  SchedulerLimits limits = limits_of(64, 4, 2, 2);
  limits.prefix_cache = false;
  SchedulerModel model(limits, 4);
  model.add(make_request(1, 20, 12, 1));
  model.add(make_request(2, 30, 12, 2));
  while (model.live() > 0) {
    ASSERT_TRUE(model.plan());
    model.check();
    model.commit();
  }
  EXPECT_EQ(model.scheduler.preemptions(), 1U);
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, ALargePromptIsNotOvertakenBySmallOnes) {
  SchedulerModel model(limits_of(64, 4, 2, 1), 8);
  model.add(make_request(1, 60, 30, 1));
  ASSERT_TRUE(model.plan());
  model.add(make_request(2, 70, 5, 2));
  for (RequestId id = 3; id < 9; ++id) model.add(make_request(id, 10, 5, static_cast<int>(id)));
  while (!model.scheduler.started(2)) {
    EXPECT_FALSE(model.scheduler.started(3));
    model.commit();
    while (model.plan()) model.check();
  }
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

// It has a token on its way, which counts; it must not be drawn a second time.
TEST(Scheduler, WhoIsPutBackInFlightWaitsForItsToken) {
  SchedulerLimits limits = limits_of(128, 4, 3, 2);
  limits.prefix_cache = false;
  SchedulerModel model(limits, 8);
  model.add(make_request(1, 30, 60, 1));
  model.add(make_request(2, 30, 60, 2));
  while (model.scheduler.preemptions() == 0) {
    while (model.plan()) model.check();
    if (model.scheduler.preemptions() == 0) model.commit();
    ASSERT_THAT(model.wrong, IsEmpty());
  }
  ASSERT_EQ(model.in_flight(), 2U);
  const size_t made = model.tokens({.request = 2}).size();
  model.end(1);
  EXPECT_FALSE(model.plan());
  model.commit();
  EXPECT_EQ(model.tokens({.request = 2}).size(), made + 1);
  ASSERT_TRUE(model.plan());
  EXPECT_EQ(model.newest().prefill_rows, static_cast<int64_t>(30 + made + 1));
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, RefusesWhatCanNeverRun) {
  SchedulerLimits limits = limits_of(64, 2, 1, 1);
  limits.context = 200;
  SchedulerModel model(limits, 10);
  EXPECT_THAT(error_of([&] { model.add(make_request(1, 190, 11)); }),
              HasSubstr("at most 200 tokens, found 190 of the prompt and 11 new ones"));
  EXPECT_THAT(error_of([&] { model.add(make_request(1, 150, 11)); }),
              HasSubstr("at most 10 blocks of 16 tokens, found 11 for 150 + 11 tokens"));
  model.add(make_request(1, 150, 10));
  ScheduledRequest two = make_request(2, 70, 50);
  two.choices = 2;  // 4 blocks shared, 4 for each
  EXPECT_THAT(error_of([&] { model.add(two); }), HasSubstr("found 12 for"));
  two.choices = 3;
  EXPECT_THAT(error_of([&] { model.add(two); }), HasSubstr("at most 2"));
  EXPECT_THAT(error_of([&] { model.add(make_request(3, 0, 10)); }), HasSubstr("prompt"));
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, SaysWhenTheQueueIsFull) {
  SchedulerLimits limits = limits_of(64, 1, 1, 1);
  limits.waiting = 2;
  SchedulerModel model(limits, 10);
  model.add(make_request(1, 10, 5));
  ASSERT_TRUE(model.plan());
  model.add(make_request(2, 10, 5));
  model.add(make_request(3, 10, 5));
  try {
    model.add(make_request(4, 10, 5));
    FAIL();
  } catch (const Busy& busy) {
    EXPECT_GE(busy.retry_after_s(), 0.05);
    EXPECT_LE(busy.retry_after_s(), 60);
  }
  EXPECT_EQ(model.scheduler.waiting(), 2);
  model.end(3);
  model.add(make_request(4, 10, 5));
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, KnowsDeadlines) {
  SchedulerModel model(limits_of(64, 2, 1, 1), 10);
  EXPECT_EQ(model.scheduler.next_deadline_s(), std::numeric_limits<double>::infinity());
  ScheduledRequest request = make_request(1, 10, 5);
  request.deadline_s = 20;
  model.add(request);
  request.id = 2;
  request.deadline_s = 10;
  model.add(request);
  model.add(make_request(3, 10, 5));
  EXPECT_EQ(model.scheduler.next_deadline_s(), 10);
  EXPECT_THAT(model.scheduler.expired(9), IsEmpty());
  EXPECT_THAT(model.scheduler.expired(10), ElementsAre(2));
  EXPECT_THAT(model.scheduler.expired(30), ElementsAre(2, 1));
  model.end(2);
  EXPECT_THAT(model.scheduler.expired(30), ElementsAre(1));
  model.finish();
  EXPECT_EQ(model.scheduler.next_deadline_s(), std::numeric_limits<double>::infinity());
}

// One user floods the queue, another asks now and then: it is never behind more than its share.
TEST(Scheduler, ServesUsersEvenlyWhileBothWait) {
  SchedulerLimits limits = limits_of(64, 4, 2, 2);
  limits.waiting = 1000;
  limits.prefix_cache = false;
  SchedulerModel model(limits, 100);
  RequestId id = 0;
  const auto ask = [&](const std::string& user, int64_t rows, int64_t tokens) {
    ++id;
    ScheduledRequest request = make_request(id, rows, tokens, static_cast<int>(id));
    request.user = user;
    model.add(request);
  };
  for (int i = 0; i < 200; ++i) ask("long", 300, 20);
  for (int i = 0; i < 40; ++i) ask("other", 60, 5);
  int64_t widest = 0;
  for (int step = 0; step < 60; ++step) {
    while (model.plan()) model.check();
    model.commit();
    widest = std::max(widest, std::abs(model.served("long") - model.served("other")));
  }
  // Sheng et al.: twice the most that one user can be given at once, here the prompts and tokens
  // of all that run.
  EXPECT_LE(widest, 2 * 4 * 320);
  EXPECT_GT(model.served("other"), 700);
  for (const RequestId request : model.requests()) model.end(request);
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

TEST(Scheduler, ARequestThatFindsNoMemoryChangesNothing) {
  SchedulerModel model(limits_of(64, 4, 2, 2), 100);
  ScheduledRequest request = make_request(7, 40, 5);
  request.choices = 3;
  request.deadline_s = 1e9;
  int64_t failures = 0;
  for (bool added = false; !added; failures += added ? 0 : 1) {
    request.user = fmt::format("someone who is new each time, failure {}", failures);
    ScheduledRequest copy = request;
    try {
      const AllocationFailure failure(failures);
      model.scheduler.add(std::move(copy));
      added = true;
    } catch (const std::bad_alloc&) {
      EXPECT_FALSE(model.plan());
      EXPECT_EQ(model.scheduler.waiting(), 0);
      EXPECT_TRUE(std::isinf(model.scheduler.next_deadline_s()));
    }
    model.check();
  }
  EXPECT_GT(failures, 8);
  model.scheduler.end(request.id);
  model.add(request);
  model.finish();
  EXPECT_THAT(model.wrong, IsEmpty());
}

}  // namespace
}  // namespace tessera
