#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "bench/ops/limits.h"
#include "ops/cpu.h"
#include "ops/sampling.h"

namespace tessera {
namespace {

// 256 rows of Yi-6B's width; nanoseconds a number as "ns_each".
struct Rows {
  explicit Rows(int64_t columns)
      : cols(columns), x(static_cast<size_t>(kRows * columns)), y(x.size()) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& v : x) v = normal(random);
    y = x;
  }
  Tensor in() { return {x.data(), nullptr, DType::kF32, {kRows, cols}}; }
  Tensor out() { return {y.data(), nullptr, DType::kF32, {kRows, cols}}; }
  Tensor weight() { return {x.data(), nullptr, DType::kF32, {cols}}; }
  void report(benchmark::State& state, int64_t numbers) const {
    state.counters["ns_each"] = benchmark::Counter(
        static_cast<double>(numbers) / 1e9,
        benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  }
  static constexpr int64_t kRows = 256;
  int64_t cols;
  std::vector<float> x, y;
  WorkerPool pool{1};
};

void rms_norm(benchmark::State& state) {
  Rows r(4096);
  for (auto _ : state) rms_norm_cpu(r.pool, best_isa(), r.in(), r.weight(), 1e-5F, r.out());
  r.report(state, Rows::kRows * 4096);
}
BENCHMARK(rms_norm);

void layer_norm(benchmark::State& state) {
  Rows r(1280);
  for (auto _ : state)
    layer_norm_cpu(r.pool, best_isa(), r.in(), r.weight(), r.weight(), 1e-5F, r.out());
  r.report(state, Rows::kRows * 1280);
}
BENCHMARK(layer_norm);

void rope(benchmark::State& state) {
  Rows r(4096 + 512);
  std::vector<int32_t> positions(Rows::kRows);
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
  const Tensor at(positions.data(), nullptr, DType::kI32, {Rows::kRows});
  const Tensor inv_freq(r.x.data(), nullptr, DType::kF32, {64});
  for (auto _ : state) rope_cpu(r.pool, best_isa(), r.out(), at, 36, 128, inv_freq);
  r.report(state, Rows::kRows * r.cols);
}
BENCHMARK(rope);

void swiglu(benchmark::State& state) {
  Rows r(2 * 11008);
  for (auto _ : state)
    swiglu_cpu(r.pool, static_cast<Isa>(state.range(0)), r.in(), r.out().slice_cols(0, 11008));
  r.report(state, Rows::kRows * 11008);
}
BENCHMARK(swiglu)->DenseRange(0, static_cast<int64_t>(best_isa()));

void gelu(benchmark::State& state) {
  Rows r(5120);
  for (auto _ : state) gelu_cpu(r.pool, static_cast<Isa>(state.range(0)), r.out(), GeluKind::kErf);
  r.report(state, Rows::kRows * 5120);
}
BENCHMARK(gelu)->DenseRange(0, static_cast<int64_t>(best_isa()));

void sample(benchmark::State& state) {
  Rows r(250);  // 64,000 logits
  Sampler sampler(1);
  const SamplingOptions options = {.temperature = 0.2F,
                                   .top_k = state.range(0),
                                   .top_p = 0.01F * static_cast<float>(state.range(1))};
  for (auto _ : state) benchmark::DoNotOptimize(sampler.sample(r.x, options));
}
BENCHMARK(sample)
    ->ArgNames({"top_k", "top_p"})
    ->Args({50, 80})
    ->Args({0, 80})
    ->Args({0, 100})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tessera
