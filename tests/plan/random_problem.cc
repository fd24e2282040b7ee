#include "tests/plan/random_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace tessera {
namespace {

class Generator {
 public:
  Generator(uint32_t seed, const RandomShape& shape) : random_(seed), times_(seed), shape_(shape) {}

  PlanProblem problem() {
    p_.precisions = {Precision::kBF16};
    if (shape_.mixed_precision)
      p_.precisions = {Precision::kBF16, Precision::kInt8, Precision::kInt4};
    const int layers = between(1, shape_.max_layers);
    for (int u = 0; u < layers; ++u) p_.layers.push_back(layer(fmt::format("layer {}", u)));
    p_.head = unit("head", 12, 1);
    p_.embedding = unit("embedding", 12, 0);
    if (!one_in(3)) p_.vision = unit("vision", 16, 0);
    p_.embedding_on_host_allowed = !one_in(3);
    arena();
    p_.hidden_bytes_per_token = static_cast<uint64_t>(between(0, 64));
    workload();
    devices();
    links();
    return p_;
  }

 private:
  int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool one_in(int n) { return between(1, n) == 1; }
  double real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }

  PlanUnit unit(const std::string& name, int max_bytes, int lower) {
    PlanUnit unit = {.name = name};
    const int bytes = between(1, max_bytes);
    const double flops = real(0, 40), alpha = one_in(2) ? 1 : between(1, 4);
    unit.costs[Precision::kBF16] = {.weight_bytes = static_cast<uint64_t>(bytes),
                                    .read_bytes = static_cast<uint64_t>(bytes),
                                    .flops_per_token = flops};
    if (!shape_.mixed_precision) return unit;
    const auto add = [&](Precision precision, int divisor, double loss) {
      const auto less = static_cast<uint64_t>((bytes + divisor - 1) / divisor);
      unit.costs[precision] = {
          .weight_bytes = less, .read_bytes = less, .flops_per_token = flops, .loss = alpha * loss};
    };
    if (lower >= 1) add(Precision::kInt8, 2, 1e-5);
    if (lower >= 2) add(Precision::kInt4, 4, one_in(2) ? 8e-3 : 3e-5);
    return unit;
  }

  PlanUnit layer(const std::string& name) {
    PlanUnit layer = unit(name, 20, 2);
    layer.kv_bytes_per_token = static_cast<uint64_t>(between(0, 1));
    layer.attention_flops_per_pair = one_in(2) ? 0 : real(0, 0.2);
    layer.values_per_token[0] = one_in(2) ? 0 : real(0, 2);
    layer.ops = between(0, 2);
    const auto small = [&] { return static_cast<int64_t>(times_() % 20 + 1); };
    layer.attention_heads = small() / 8;
    layer.attention_values = static_cast<double>(small()) / 10;
    layer.matmuls = {{.in = small(), .out = small(), .count = 2}};
    return layer;
  }

  // Any table in which holding more never needs less.
  void arena() {
    for (size_t i = 0; i < p_.arena_bytes.size(); ++i) {
      p_.arena_bytes[i] = static_cast<uint64_t>(one_in(3) ? between(0, 3) : 0);
      for (size_t bit = 1; bit < 16; bit *= 2)
        if ((i & bit) != 0)
          p_.arena_bytes[i] = std::max(p_.arena_bytes[i], p_.arena_bytes[i ^ bit]);
    }
  }

  void workload() {
    p_.workload = {.context = between(1, 48),
                   .sequences = between(1, 2),
                   .micro_batch = between(1, 3),
                   .prompt_tokens = between(0, 60),
                   .chunk_tokens = between(1, 40),
                   .images = between(0, 2),
                   .image_tokens = between(0, 30),
                   .answer_tokens = between(0, 12)};
  }

  void devices() {
    uint64_t need = 0;
    for (const PlanUnit& u : p_.layers)
      need += u.costs.at(Precision::kBF16).weight_bytes + 24 * u.kv_bytes_per_token;
    const int count = between(1, shape_.max_devices);
    const bool some_equal = one_in(4);
    for (int d = 0; d < count; ++d) {
      PlanDevice device = {.name = fmt::format("device:{}", d)};
      // Below 1 the best precision cannot fit; the constant is for head, tower and arena.
      const double share = shape_.mixed_precision ? real(0.2, 1.2) : real(0.4, 2.2);
      device.budget_bytes = (shape_.mixed_precision ? 14U : 20U) +
                            static_cast<uint64_t>(share * static_cast<double>(need) / count);
      device.fixed_bytes = static_cast<uint64_t>(between(0, 3));
      device.granule_bytes = one_in(3) ? 4 : 1;
      for (double& rate : device.read_bytes_per_s) rate = real(1e6, 1e7);
      device.flops_per_s.fill(real(1e7, 1e8));
      device.kv_bytes_per_s = real(1e6, 1e7);
      device.attention_flops_per_s = real(1e7, 1e8);
      device.values_per_s.fill(real(1e6, 1e7));
      device.op_s = one_in(2) ? 0 : real(0, 1e-6);
      if (times_() % 3 == 0) measured_times(device);
      if (some_equal && d > 0 && one_in(2)) {
        const std::string name = device.name;
        device = p_.devices.back();
        device.name = name;
      }
      p_.devices.push_back(device);
    }
  }

  double a_time(double most) { return most * static_cast<double>(times_() % 100 + 1) / 100; }

  // As of a device whose matmuls and attention were timed.
  void measured_times(PlanDevice& device) {
    MatmulTimes& times = device.matmul_times;
    times.rows = {1, 2, 8, 20};
    times.widths = {2, 6, 12};
    for (MatmulTimes::Grid& grid : times.seconds)
      for (double& time : grid) time = a_time(1e-5);
    for (double* time :
         {&device.attention_s, &device.query_value_s, &device.score_s, &device.row_s})
      *time = a_time(1e-6);
  }

  PlanLink link() {
    // From free to several layers' time, so that a detour over a relay can pay.
    return {.bytes_per_s = real(1e7, 1e9), .latency_s = one_in(3) ? 0 : real(0, 1e-5)};
  }

  void links() {
    const size_t n = p_.devices.size();
    const bool uniform = one_in(4);
    const PlanLink common = link();
    const auto next = [&] { return uniform ? common : link(); };
    p_.links.between.assign(n, std::vector<PlanLink>(n));
    for (auto& row : p_.links.between)
      for (PlanLink& l : row) l = next();
    for (size_t d = 0; d < n; ++d) {
      p_.links.from_host.push_back(next());
      p_.links.to_host.push_back(next());
    }
  }

  std::mt19937 random_;
  std::mt19937 times_;  // of its own, as most devices are known by their rates alone
  const RandomShape shape_;
  PlanProblem p_;
};

}  // namespace

PlanProblem random_problem(uint32_t seed, const RandomShape& shape) {
  return Generator(seed, shape).problem();
}

}  // namespace tessera
