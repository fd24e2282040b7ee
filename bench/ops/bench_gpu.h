#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/ops/cuda_limits.h"
#include "device/cuda_device.h"
#include "device/cuda_stream.h"

namespace tessera {

/// Emulated GPUs show that benchmarks run, and no speed: sizes are divided by this, and each runs
/// once.
inline constexpr int64_t kSmaller = kCudaEmulated ? 16 : 1;
/// What must be read in turn so that nothing of it is in the L2 cache.
inline constexpr uint64_t kBeyondCaches = kCudaEmulated ? 1 : uint64_t{512} << 20;

/// Timed by the card's own clock.
inline benchmark::internal::Benchmark* register_on_gpu(
    const std::string& name, const std::function<void(benchmark::State&)>& body) {
  auto* bench = benchmark::RegisterBenchmark(name.c_str(), body);
  if (kCudaEmulated) bench->Iterations(1);
  return bench->UseManualTime()->Unit(benchmark::kMicrosecond);
}

/// A card, and what it can do at most.
class BenchGpu {
 public:
  ///   cublaslt   as DeviceInfo::cublaslt
  explicit BenchGpu(const CudaCard& card, bool cublaslt = false)
      : device_(open_cuda_device(card.index, {.name = "cuda:0",
                                              .kind = DeviceKind::kCuda,
                                              .budget_bytes = card.free_bytes / 2,
                                              .cublaslt = cublaslt})),
        stream_(device_->open_stream("bench")),
        start_(device_->make_event()),
        end_(device_->make_event()) {
    const uint64_t bytes = kCudaEmulated ? uint64_t{1} << 20 : uint64_t{1} << 30;
    const DeviceBuffer data = filled(bytes);
    auto* sum = static_cast<uint32_t*>(data.data());
    double operations = 0;
    for (int i = 0; i < 5; ++i) {
      const double read_s =
          seconds([&](const CudaQueue& queue) { read_all(queue, data.data(), bytes, sum); });
      read_bytes_per_s = std::max(read_bytes_per_s, static_cast<double>(bytes) / read_s);
      const double multiply_s =
          seconds([&](const CudaQueue& queue) { operations = multiply_tiles(queue, sum); });
      flops_per_s = std::max(flops_per_s, operations / multiply_s);
    }
  }

  Device& device() { return *device_; }
  Stream& stream() { return *stream_; }

  /// Of what `submit` puts into the stream.
  double timed(const std::function<void()>& submit) {
    stream_->record(*start_);
    submit();
    stream_->record(*end_);
    end_->synchronize();
    stream_->synchronize();
    return end_->time_s() - start_->time_s();
  }

  /// Every iteration of a benchmark, each of which submits `steps` alike and counts for one of
  /// them; the first submit is not timed. Returns the seconds of all iterations.
  double time_iterations(benchmark::State& state, size_t steps,
                         const std::function<void()>& submit) {
    timed(submit);
    double seconds = 0;
    for (auto _ : state) {
      const double time_s = timed(submit) / static_cast<double>(steps);
      state.SetIterationTime(time_s);
      seconds += time_s;
    }
    return seconds;
  }

  /// Memory with random bytes: zeros would cost less power, and so more than they should be worth.
  DeviceBuffer filled(uint64_t bytes) {
    DeviceBuffer buffer = device_->allocate(bytes, MemoryKind::kWeights, "bench");
    std::vector<uint32_t> random((16 << 20) / 4 / kSmaller);
    uint32_t state = 1;
    for (uint32_t& word : random) word = (state = state * 1664525 + 1013904223) & 0xbfbfbfbf;
    const auto source = std::as_bytes(std::span(random));
    for (uint64_t at = 0; at < bytes; at += source.size())
      device_->write(static_cast<std::byte*>(buffer.data()) + at,
                     source.first(std::min<uint64_t>(source.size(), bytes - at)));
    return buffer;
  }

  /// Adds the rates of a benchmark whose iterations each read and compute so much, `seconds` in
  /// all.
  void add_rates(benchmark::State& state, double bytes, double flops, double seconds) const {
    const auto runs = static_cast<double>(state.iterations());
    state.counters["GB/s"] = bytes * runs / seconds / 1e9;
    state.counters["of_read"] = bytes * runs / seconds / read_bytes_per_s;
    state.counters["TFLOP/s"] = flops * runs / seconds / 1e12;
    state.counters["of_mma"] = flops * runs / seconds / flops_per_s;
  }

  double read_bytes_per_s = 0, flops_per_s = 0;

 private:
  double seconds(const std::function<void(const CudaQueue&)>& body) {
    return timed([&] { static_cast<CudaStream&>(*stream_).launch(body); });
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Event> start_, end_;
};

/// Yi-34B's shapes.
void register_attention(BenchGpu& gpu);

/// Between the card and pinned memory, and within the card.
void register_copies(BenchGpu& gpu);

}  // namespace tessera
