#include "plan/cost_model.h"

#include <gtest/gtest.h>

#include "tessera/error.h"

namespace tessera {
namespace {

// Each term is a number of its own in the sum, so that none can stand for another.
PlanDevice card() {
  PlanDevice device = {.kv_bytes_per_s = 1e3, .attention_flops_per_s = 1e4, .op_s = 0.001};
  device.read_bytes_per_s.fill(100);
  device.flops_per_s.fill(2000);
  device.values_per_s = {10, 20, 40, 80};
  return device;
}

PlanDevice timed() {
  PlanDevice device = card();
  device.matmul_times = {.rows = {1, 2, 3, 4}, .widths = {1, 2, 3}};
  for (MatmulTimes::Grid& grid : device.matmul_times.seconds)
    for (size_t r = 0; r < MatmulTimes::kRowCounts; ++r)
      for (size_t i = 0; i < MatmulTimes::kWidths; ++i)
        for (size_t o = 0; o < MatmulTimes::kWidths; ++o)
          grid[MatmulTimes::index(r, i, o)] =
              device.matmul_times.rows[r] * device.matmul_times.widths[i] +
              device.matmul_times.widths[o];
  device.attention_s = 0.25;
  device.query_value_s = 0.0625;
  device.score_s = 0.03125;
  device.row_s = 0.002;
  return device;
}

PlanUnit layer() {
  PlanUnit unit = {.kv_bytes_per_token = 16,
                   .attention_flops_per_pair = 500,
                   .attention_values = 6,
                   .attention_heads = 3,
                   .values_per_token = {1, 2, 4, 8},
                   .matmuls = {{.in = 2, .out = 3, .count = 2}, {.in = 3, .out = 1}},
                   .ops = 7};
  unit.costs[Precision::kBF16] = {.weight_bytes = 1, .read_bytes = 300, .flops_per_token = 1000};
  return unit;
}

double cost_s(const PlanUnit& unit, const PlanDevice& device, const Pass& pass) {
  return seconds_of(unit_ns(unit, Precision::kBF16, device, pass));
}

constexpr Pass kChunk = {.sequences = 1, .new_tokens = 4, .past_tokens = 10};
constexpr Pass kStep = {.sequences = 2, .new_tokens = 1, .past_tokens = 10};
constexpr double kNs = 1e-9;
constexpr double kValues = 4 * (1.0 / 10 + 2.0 / 20 + 4.0 / 40 + 8.0 / 80);
constexpr double kPairs = 4 * (10 + 2);

TEST(CostModel, OfRatesIsTwoRooflines) {
  // 300 bytes at 100/s are longer than 4000 FLOP at 2000/s; 2.4 s of attention are than 0.224 s.
  const double attention = kPairs * 500 / 1e4;
  EXPECT_NEAR(cost_s(layer(), card(), kChunk), 3 + attention + kValues + 7 * 0.001, kNs);

  // A tower's patches see each other, not the ones before them alone.
  PlanUnit tower = layer();
  tower.causal = false;
  const double all = kChunk.sequences * kChunk.new_tokens * kChunk.new_tokens;
  EXPECT_NEAR(cost_s(tower, card(), kChunk) - cost_s(layer(), card(), kChunk),
              (all - kPairs) * 500 / 1e4, 2 * kNs);
  // One token each: the bytes of 2 x 11 tokens against 2 x 10.5 pairs, 0.352 s and 1.05 s.
  EXPECT_NEAR(cost_s(layer(), card(), kStep), 3 + 21 * 500 / 1e4 + kValues / 2 + 7 * 0.001, kNs);
  PlanDevice slow_pages = card();
  slow_pages.kv_bytes_per_s = 100;
  EXPECT_NEAR(cost_s(layer(), slow_pages, kStep), 3 + 22 * 16 / 100.0 + kValues / 2 + 7 * 0.001,
              kNs);
}

TEST(CostModel, OfTimesAddsUpMatmulsAndWhatEachOpTakes) {
  // 4 rows: two of 2 inputs and 3 outputs, one of 3 and 1; four ops beside these three.
  const double matmuls = 2 * (4 * 2 + 3) + (4 * 3 + 1);
  const double attention = 0.25 + kPairs * 500 / 1e4 + 3 * kPairs * 0.03125 + 6 * 4 * 0.0625;
  const double ops = 4 * (0.001 + 4 * 0.002);
  EXPECT_NEAR(cost_s(layer(), timed(), kChunk), matmuls + attention + kValues + ops, kNs);
  // The rates of matmuls are not asked, and the pages bound attention as before.
  PlanDevice other = timed();
  other.read_bytes_per_s.fill(1e-3);
  other.flops_per_s.fill(1e-3);
  other.kv_bytes_per_s = 10;
  EXPECT_NEAR(cost_s(layer(), other, kChunk), matmuls + 0.25 + 14 * 16 / 10.0 + kValues + ops, kNs);
}

TEST(CostModel, AUnitWithoutAttentionTakesNone) {
  PlanUnit head = {.matmuls = {{.in = 2, .out = 3}}, .ops = 1};
  head.costs[Precision::kBF16] = {};
  EXPECT_NEAR(cost_s(head, timed(), {.new_tokens = 2}), 2 * 2 + 3, kNs);
}

// A whole problem of one device, to be refused for one number.
PlanProblem problem_on(const PlanDevice& device) {
  PlanProblem problem;
  problem.layers = {layer()};
  for (PlanUnit* unit : {&problem.head, &problem.embedding}) unit->costs[Precision::kBF16] = {};
  problem.devices = {device};
  const PlanLink link = {.bytes_per_s = 1};
  problem.links = {.between = {{link}}, .from_host = {link}, .to_host = {link}};
  return problem;
}

TEST(CostModel, NumbersThatAreNoTimesAreRefused) {
  EXPECT_NO_THROW(validate_problem(problem_on(timed())));
  using Harm = void (*)(PlanDevice&);
  const Harm harms[] = {[](PlanDevice& d) { d.matmul_times.seconds[1][5] = 0; },
                        [](PlanDevice& d) { d.matmul_times.seconds[1][5] = 1e3; },
                        [](PlanDevice& d) {
                          d.matmul_times.rows = {1, 2, 2, 4};
                        },
                        [](PlanDevice& d) { d.matmul_times.rows[0] = 0.5; },
                        [](PlanDevice& d) {
                          d.matmul_times.widths = {3, 2, 1};
                        },
                        [](PlanDevice& d) { d.values_per_s[2] = 0; },
                        [](PlanDevice& d) { d.attention_s = -1; },
                        [](PlanDevice& d) { d.query_value_s = -1; },
                        [](PlanDevice& d) { d.score_s = 1e9; },
                        [](PlanDevice& d) { d.row_s = -1; }};
  for (const Harm& harm : harms) {
    PlanDevice device = timed();
    harm(device);
    EXPECT_THROW(validate_problem(problem_on(device)), Error) << &harm - harms;
  }
}

}  // namespace
}  // namespace tessera
