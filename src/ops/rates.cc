#include "ops/rates.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/units.h"
#include "ops/matmul.h"

namespace tessera {
namespace {

constexpr int64_t kIn = 4096;
constexpr uint64_t kWeightBytes = 96 * kMiB;  // several times the caches of a core's neighbourhood
constexpr int64_t kMaxRows = 96;
constexpr double kUnitS = 5e-3, kRepeatS = 30e-3;

struct Bench {
  explicit Bench(Device& on)
      : device(on),
        stream(on.open_stream("rates")),
        weights(on.allocate(kWeightBytes, MemoryKind::kFixed, "rate measurement")),
        x(on.allocate(kMaxRows * kIn * 4, MemoryKind::kFixed, "rate measurement")),
        y(on.allocate(kMaxRows * kIn * 4, MemoryKind::kFixed, "rate measurement")),
        scratch(on.allocate(kMaxRows * kIn * 4, MemoryKind::kFixed, "rate measurement")) {
    // Writes every page: one that was never written would be read from the cache.
    stream->run({}, Work([to = weights.data(), from = x.data()](WorkerPool& pool) {
                  constexpr int kOneHundredth = 0x3c;  // 0.011 in bf16 and f32, repeated
                  pool.for_each(kWeightBytes / kMiB, [&](int64_t i) {
                    std::memset(static_cast<char*>(to) + i * kMiB, kOneHundredth, kMiB);
                  });
                  std::memset(from, kOneHundredth, kMaxRows * kIn * 4);
                }));
    stream->synchronize();
  }

  // Seconds of one matmul.
  double time(int64_t rows, Precision precision, int64_t out) {
    const PackedMatrix w = {weights.data(), &device, precision, out, kIn};
    Arena arena(scratch);
    Tensor to(y.data(), &device, DType::kF32, {rows, out});
    const double start = now_s();
    matmul(*stream, arena, Tensor(x.data(), &device, DType::kF32, {rows, kIn}), w, {}, to);
    stream->synchronize();
    return now_s() - start;
  }

  // The shortest of the runs that fit in a short while: others on the machine only make it longer.
  double best_time(int64_t rows, Precision precision, int64_t out) {
    const double start = now_s();
    double best = time(rows, precision, out);
    while (now_s() - start < kRepeatS) best = std::min(best, time(rows, precision, out));
    return best;
  }

  Device& device;
  std::unique_ptr<Stream> stream;
  DeviceBuffer weights, x, y, scratch;
};

// As many rows as a slow device does in a few milliseconds, or as a prefill has.
double flops_per_s(Bench& bench, Precision precision, int threads) {
  const int64_t out = std::clamp<int64_t>(64 * threads, 256, kIn);
  int64_t rows = 12;
  while (rows < kMaxRows && bench.time(rows, precision, out) < kUnitS) rows *= 2;
  rows = std::min(rows, kMaxRows);
  return 2 * static_cast<double>(rows * out * kIn) / bench.best_time(rows, precision, out);
}

// One row and as many weights as there is room for.
double decode_rate(Bench& bench, Precision precision) {
  const auto panel = PackedMatrix::bytes(precision, kPanelRows, kIn);
  const auto out = static_cast<int64_t>(kWeightBytes / panel) * kPanelRows;
  const double bytes = static_cast<double>(PackedMatrix::bytes(precision, out, kIn));
  return bytes / bench.best_time(1, precision, out);
}

}  // namespace

MatmulRates measure_matmul_rates(Device& device) {
  if (device.info().kind == DeviceKind::kSimulated) return {};
  Bench bench(device);
  const int threads = device.info().threads;
  MatmulRates rates;
  const auto measure = [&](Precision measured, std::initializer_list<Precision> alike) {
    const double rate = flops_per_s(bench, measured, threads);
    for (const Precision precision : alike)
      rates.flops_per_s[static_cast<size_t>(precision)] = rate;
  };
  measure(Precision::kF32, {Precision::kF32});
  measure(Precision::kBF16, {Precision::kBF16, Precision::kFp8});
  measure(Precision::kInt8, {Precision::kInt8});
  measure(Precision::kInt4, {Precision::kInt6, Precision::kInt5, Precision::kInt4});
  rates.read_bytes_per_s = decode_rate(bench, Precision::kBF16);
  return rates;
}

double measure_decode_rate(Device& device, Precision precision) {
  if (device.info().kind == DeviceKind::kSimulated) return 0;
  Bench bench(device);
  return decode_rate(bench, precision);
}

}  // namespace tessera
