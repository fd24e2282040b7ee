#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/runtime/scheduler_model.h"

namespace tessera {
namespace {

class Dice {
 public:
  explicit Dice(uint32_t seed) : random_(seed) {}
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }

 private:
  std::mt19937_64 random_;
};

SchedulerLimits draw_limits(Dice& dice) {
  SchedulerLimits limits;
  limits.rows = dice.between(1, 60);
  limits.running = dice.between(1, 7);
  limits.context = 200;
  limits.waiting = dice.between(1, 8);
  limits.in_flight = static_cast<int>(dice.between(1, 4));
  limits.decode_groups = static_cast<int>(dice.between(1, limits.in_flight));
  limits.prefix_cache = !dice.one_in(5);
  return limits;
}

// Few kinds of beginnings and of pictures, so that prefixes are shared; some of the pictures differ
// in nothing but where they begin.
ScheduledRequest draw_request(Dice& dice, RequestId id) {
  ScheduledRequest request = make_request(id, dice.between(1, 90), dice.between(1, 30),
                                          static_cast<int>(dice.between(0, 2)));
  request.user = std::string(1, static_cast<char>('a' + dice.between(0, 2)));
  request.choices = dice.one_in(4) ? static_cast<int>(dice.between(2, 4)) : 1;
  auto row = dice.between(0, 40);
  const auto prompt = static_cast<int64_t>(request.ids.size());
  while (dice.one_in(2) && row < prompt) {
    const int64_t rows = std::min(dice.between(1, 40), prompt - row);
    request.pictures.push_back(
        {.first_row = row, .rows = rows, .hash = {static_cast<uint64_t>(dice.between(0, 1)), 1}});
    std::fill_n(request.ids.begin() + row, rows, 0);
    row += rows + dice.between(0, 10);
  }
  return request;
}

RequestId any_of(Dice& dice, const std::vector<RequestId>& ids) {
  return ids[static_cast<size_t>(dice.between(0, static_cast<int64_t>(ids.size()) - 1))];
}

void disturb(SchedulerModel& model, Dice& dice) {
  if (model.live() == 0) return;
  const RequestId id = any_of(dice, model.requests());
  switch (dice.between(1, 8)) {
    case 1:
      return model.end(id);
    case 2:
    case 3: {
      const std::vector<int> choices = model.choices(id);
      const auto i = static_cast<size_t>(dice.between(0, static_cast<int64_t>(choices.size()) - 1));
      return model.end({.request = id, .choice = choices[i]});
    }
    case 4:
      if (dice.one_in(4)) model.scheduler.forget_cached();
      return;
    default:
      return model.set_ready_rows(id, dice.between(0, 120));
  }
}

// Whatever happens in whatever order: every row that is read is the sequence's own, every token the
// one it would have alone, the state is sound after each call, and everything ends.
void run_randomly(uint32_t seed) {
  Dice dice(seed);
  const SchedulerLimits limits = draw_limits(dice);
  SchedulerModel model(limits, dice.between(4, 24), dice.one_in(4) ? 3 : 64);
  const int64_t disturbance = dice.between(4, 40), failures = dice.one_in(4) ? 10 : 1000000;
  RequestId id = 0;
  for (int turn = 0; turn < 120 && model.wrong.empty(); ++turn) {
    if (dice.one_in(3)) {
      try {
        model.add(draw_request(dice, ++id));
      } catch (const Error&) {  // too large for this pool, or the queue is full
      }
    } else if (dice.one_in(disturbance)) {
      disturb(model, dice);
    } else if (dice.one_in(2) && model.in_flight() > 0) {
      model.commit();
    } else {
      model.plan(dice.one_in(failures));
    }
    model.check();
  }
  if (model.wrong.empty()) model.finish();
  ASSERT_THAT(model.wrong, testing::IsEmpty()) << "seed " << seed;
  ASSERT_EQ(model.scheduler.blocks_used(), 0) << "seed " << seed;
  ASSERT_EQ(model.pool.free_blocks() + model.scheduler.blocks_cached(), model.pool.capacity());
  ASSERT_EQ(model.scheduler.waiting_rows(), 0);
  ASSERT_EQ(model.scheduler.running(), 0);
}

TEST(SchedulerRandom, NothingGoesWrongInAnyOrder) {
  const char* more = std::getenv("TESSERA_RANDOM_SEEDS");
  const auto seeds = static_cast<uint32_t>(more != nullptr ? std::atoi(more) : 800);
  for (uint32_t seed = 1; seed <= seeds && !testing::Test::HasFatalFailure(); ++seed)
    run_randomly(seed);
}

}  // namespace
}  // namespace tessera
