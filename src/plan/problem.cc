#include "plan/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/units.h"
#include "plan/cost_model.h"
#include "plan/memory_model.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void require(bool ok, const std::string& what, const char* expected, const std::string& found) {
  if (!ok) throw Error({.where = "plan", .what = what, .expected = expected, .found = found});
}

// Bounds that keep every sum of the search inside 63 bits; far beyond any machine.
constexpr double kMaxBytes = 0x1p50;
constexpr int64_t kMaxTokens = 1 << 24;
constexpr int64_t kMaxSteps = 1 << 16;

void check_positive(double value, const std::string& what) {
  require(std::isfinite(value) && value > 0, what, "a positive number", fmt::format("{:g}", value));
}

void check_not_negative(double value, double max, const std::string& what) {
  require(value >= 0 && value <= max, what, fmt::format("0 to {:g}", max).c_str(),
          fmt::format("{:g}", value));
}

void check_unit(const PlanUnit& unit, const std::string& what) {
  require(!unit.costs.empty(), what, "a cost for at least one precision", "none");
  for (const auto& [precision, cost] : unit.costs) {
    const std::string at = fmt::format("{} at {}", what, precision_name(precision));
    check_not_negative(static_cast<double>(cost.weight_bytes), kMaxBytes, at + ": weight bytes");
    check_not_negative(static_cast<double>(cost.read_bytes), kMaxBytes, at + ": read bytes");
    check_not_negative(cost.flops_per_token, 1e18, at + ": FLOP per token");
    check_not_negative(cost.loss, 1e3, at + ": loss");
  }
  check_not_negative(static_cast<double>(unit.kv_bytes_per_token), 0x1p26, what + ": KV bytes");
  check_not_negative(unit.attention_flops_per_pair, 1e12, what + ": attention FLOP");
  check_not_negative(unit.attention_values, 1e9, what + ": attention values");
  check_not_negative(static_cast<double>(unit.attention_heads), 1e9, what + ": attention heads");
  for (const double values : unit.values_per_token)
    check_not_negative(values, 1e12, what + ": values");
  for (const UnitMatmuls& shape : unit.matmuls)
    for (const int64_t number : {shape.in, shape.out, shape.count})
      check_not_negative(static_cast<double>(number), 1e9, what + ": matmuls");
  check_not_negative(static_cast<double>(unit.ops), 1e6, what + ": ops");
}

void check_link(const PlanLink& link, const std::string& what) {
  check_positive(link.bytes_per_s, what + ": bytes/s");
  check_not_negative(link.latency_s, 1e2, what + ": latency");
}

void check_times(const MatmulTimes& times, const std::string& what) {
  const auto rises = [](const auto& points) {
    return points.front() >= 1 && std::ranges::is_sorted(points, std::less_equal<>());
  };
  require(rises(times.rows) && rises(times.widths), what, "rows and widths that rise", "others");
  for (const MatmulTimes::Grid& grid : times.seconds)
    for (const double time : grid) {
      check_positive(time, what + ": time");
      check_not_negative(time, 1e2, what + ": time");
    }
}

void check_device(const PlanDevice& device, const std::string& what) {
  check_not_negative(static_cast<double>(device.budget_bytes), kMaxBytes, what + ": budget");
  check_not_negative(static_cast<double>(device.fixed_bytes), kMaxBytes, what + ": fixed bytes");
  require(device.granule_bytes >= 1 && device.granule_bytes <= (uint64_t{1} << 30),
          what + ": granule", "1 byte to 1 GiB", fmt::format("{}", device.granule_bytes));
  for (const double rate : device.read_bytes_per_s) check_positive(rate, what + ": read bytes/s");
  for (const double rate : device.flops_per_s) check_positive(rate, what + ": FLOP/s");
  check_positive(device.kv_bytes_per_s, what + ": KV bytes/s");
  check_positive(device.attention_flops_per_s, what + ": attention FLOP/s");
  for (const double rate : device.values_per_s) check_positive(rate, what + ": values/s");
  for (const double time : {device.attention_s, device.query_value_s, device.score_s})
    check_not_negative(time, 1e2, what + ": times of attention");
  check_not_negative(device.op_s, 1e2, what + ": time of an op");
  check_not_negative(device.row_s, 1e2, what + ": time of a row");
  if (device.matmul_times.measured()) check_times(device.matmul_times, what + ": matmuls");
}

// The search leaves the embedding on the host where it may: that is best only if holding more never
// needs less.
void check_arena(const std::array<uint64_t, 16>& arena_bytes) {
  for (size_t held = 0; held < arena_bytes.size(); ++held) {
    check_not_negative(static_cast<double>(arena_bytes[held]), kMaxBytes, "arena bytes");
    for (size_t bit = 1; bit < arena_bytes.size(); bit *= 2)
      require(arena_bytes[held] <= arena_bytes[held | bit], "arena bytes",
              "at least as many for a device that holds more",
              fmt::format("less for {}", held | bit));
  }
}

void check_workload(const Workload& w) {
  const auto check = [](int64_t value, int64_t min, const char* what) {
    require(value >= min && value <= kMaxTokens, what,
            fmt::format("{} to {}", min, kMaxTokens).c_str(), fmt::format("{}", value));
  };
  check(w.context, 1, "context");
  check(w.sequences, 1, "sequences");
  check(w.micro_batch, 1, "micro-batch");
  check(w.prompt_tokens, 0, "prompt tokens");
  check(w.chunk_tokens, 1, "chunk tokens");
  check(w.images, 0, "images");
  check(w.image_tokens, 0, "image tokens");
  check(w.answer_tokens, 0, "answer tokens");
  require(w.answer_tokens <= kMaxSteps, "answer tokens", "at most 65536",
          fmt::format("{}", w.answer_tokens));
  require(chunk_count(w) <= kMaxSteps, "chunks of the prompt", "at most 65536",
          fmt::format("{}", chunk_count(w)));
  require(w.images <= 10'000, "images", "at most 10000", fmt::format("{}", w.images));
  require(kv_blocks_of(w) <= (int64_t{1} << 32), "context x sequences", "fewer tokens", "more");
}

}  // namespace

void validate_problem(const PlanProblem& problem) {
  const size_t layers = problem.layers.size(), devices = problem.devices.size();
  require(layers >= 1 && layers <= kMaxPlanLayers, "layers", "1 to 512", fmt::format("{}", layers));
  require(devices >= 1 && devices <= kMaxPlanDevices, "devices", "1 to 64",
          fmt::format("{}", devices));
  for (size_t u = 0; u < layers; ++u) check_unit(problem.layers[u], fmt::format("layer {}", u));
  check_unit(problem.head, "head");
  check_unit(problem.embedding, "embedding");
  if (problem.vision) check_unit(*problem.vision, "vision");
  for (size_t d = 0; d < devices; ++d)
    check_device(problem.devices[d], fmt::format("device {}", d));

  const PlanLinks& links = problem.links;
  require(links.between.size() == devices && links.from_host.size() == devices &&
              links.to_host.size() == devices,
          "links", "one row a device", fmt::format("{}", links.between.size()));
  for (size_t a = 0; a < devices; ++a) {
    require(links.between[a].size() == devices, fmt::format("links of device {}", a),
            "one a device", fmt::format("{}", links.between[a].size()));
    check_link(links.from_host[a], fmt::format("link from the host to device {}", a));
    check_link(links.to_host[a], fmt::format("link from device {} to the host", a));
    for (size_t b = 0; b < devices; ++b)
      if (a != b) check_link(links.between[a][b], fmt::format("link from device {} to {}", a, b));
  }
  check_arena(problem.arena_bytes);
  check_not_negative(static_cast<double>(problem.hidden_bytes_per_token), 0x1p30, "hidden bytes");
  require(!problem.precisions.empty(), "precisions", "at least one", "none");
  check_workload(problem.workload);
}

Precision precision_of(const PlanUnit& unit, Precision wanted) {
  Precision best = unit.costs.begin()->first;
  bool found = false;
  for (const auto& [precision, cost] : unit.costs)
    if (precision <= wanted) {
      best = precision;  // the map is sorted, best precision first
      found = true;
    }
  return found ? best : unit.costs.begin()->first;
}

Precision asked_precision(const PlanProblem& problem) {
  return problem.precisions.size() == 1 ? problem.precisions.front() : problem.own;
}

int64_t kv_blocks_of(const Workload& workload) {
  return divide_up(workload.context, kKvBlockTokens) * workload.sequences;
}

}  // namespace tessera
