#include "ops/rates.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/clock.h"
#include "base/units.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/norm.h"

namespace tessera {
namespace {

constexpr int64_t kIn = 4096, kHeadDim = 128, kHeads = kIn / kHeadDim, kKvHeads = 8;
constexpr uint64_t kWeightBytes = 96 * kMiB;  // several times the caches of a core's neighbourhood
constexpr int64_t kMaxRows = 96, kMaxContext = 16384;
constexpr double kUnitS = 5e-3, kRepeatS = 30e-3;
constexpr double kLeastShare = 0.9;  // of the cores' time, in a measurement that is to be kept
constexpr int kSmallOps = 32;

// The shortest of the runs that fit in a short while: others on the machine only make it longer.
template <typename Run>
double best_s(const Run& run) {
  const double start = now_s();
  double best = run();
  while (now_s() - start < kRepeatS) best = std::min(best, run());
  return best;
}

struct Bench {
  explicit Bench(Device& on)
      : device(on),
        stream(on.open_stream("rates")),
        weights(allocate(kWeightBytes)),
        x(allocate(kMaxRows * kIn * 4)),
        y(allocate(kMaxRows * kIn * 4)),
        scratch(allocate(kMaxRows * kIn * 4)),
        indices(allocate((2 * kMaxRows + kMaxContext / kBlockTokens) * 4)) {
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

  DeviceBuffer allocate(uint64_t bytes) {
    return device.allocate(bytes, MemoryKind::kFixed, "rate measurement");
  }
  Tensor view(const DeviceBuffer& of, int64_t rows, int64_t cols) {
    return {of.data(), &device, DType::kF32, {rows, cols}};
  }

  // Seconds of what `queue` puts on the stream.
  template <typename Queue>
  double time(const Queue& queue) {
    const double start = now_s();
    queue();
    stream->synchronize();
    return now_s() - start;
  }

  double matmul_s(int64_t rows, Precision precision, int64_t out) {
    const PackedMatrix w = {weights.data(), &device, precision, out, kIn};
    Arena arena(scratch);
    Tensor to = view(y, rows, out);
    return time([&] { matmul(*stream, arena, view(x, rows, kIn), w, {}, to); });
  }

  // The last rows of one sequence with all of it.
  double attention_s(KvFormat format, int64_t rows, int64_t context) {
    const int64_t blocks = context / kBlockTokens;
    const KvPages pages = {weights.data(), &device, format, blocks, kKvHeads, kHeadDim};
    const Tensor ids(indices.data(), &device, DType::kI32, {2 * rows + blocks});
    stream->run({}, Work([ids, rows, context](WorkerPool&) {
                  int32_t* to = ids.i32();
                  std::iota(to, to + rows, static_cast<int32_t>(context - rows));
                  std::fill_n(to + rows, rows, 0);
                  std::iota(to + 2 * rows, to + ids.shape[0], 0);
                }));
    const BatchRows batch = {
        .positions = ids.slice_rows(0, rows),
        .sequence = ids.slice_rows(rows, rows),
        .blocks = {ids.slice_rows(2 * rows, blocks).data, &device, DType::kI32, {1, blocks}},
        .max_context = context};
    Tensor to = view(y, rows, kIn);
    stream->synchronize();
    return time(
        [&] { paged_attention(*stream, view(x, rows, kIn), pages, batch, kHeads, 0.088F, to); });
  }

  double norm_and_swiglu_s(int64_t rows) {
    Tensor normed = view(y, rows, kIn), gated = view(y, rows, kIn / 2);
    const Tensor weight(weights.data(), &device, DType::kF32, {kIn});
    return time([&] {
      rms_norm(*stream, view(x, rows, kIn), weight, 1e-5F, normed);
      swiglu(*stream, view(x, rows, kIn), gated);
    });
  }

  // One op of several: half of them, as in a decoder layer, share their work among the threads.
  double small_ops_s() {
    constexpr int64_t kWidth = 256;
    const PackedMatrix w = {weights.data(), &device, Precision::kBF16, kWidth, kPanelRows};
    Tensor to = view(y, 1, kWidth);
    return time([&] {
             for (int i = 0; i < kSmallOps / 2; ++i) {
               Arena arena(scratch);
               matmul(*stream, arena, view(x, 1, kPanelRows), w, {}, to);
               add(*stream, to, to, to);
             }
           }) /
           kSmallOps;
  }

  Device& device;
  std::unique_ptr<Stream> stream;
  DeviceBuffer weights, x, y, scratch, indices;
};

// As many rows as a slow device does in a few milliseconds, or as a prefill has.
double matmul_flops_per_s(Bench& bench, Precision precision) {
  int64_t rows = 12;
  while (rows < kMaxRows && bench.matmul_s(rows, precision, kIn) < kUnitS) rows *= 2;
  rows = std::min(rows, kMaxRows);
  const double flops = 2 * static_cast<double>(rows * kIn * kIn);
  return flops / best_s([&] { return bench.matmul_s(rows, precision, kIn); });
}

// One row and as many weights as there is room for.
double weights_per_s(Bench& bench, Precision precision) {
  const auto panel = PackedMatrix::bytes(precision, kPanelRows, kIn);
  const auto out = static_cast<int64_t>(kWeightBytes / panel) * kPanelRows;
  const double bytes = static_cast<double>(PackedMatrix::bytes(precision, out, kIn));
  return bytes / best_s([&] { return bench.matmul_s(1, precision, out); });
}

void measure_attention(Bench& bench, KernelRates& rates) {
  const int64_t many = kMaxRows / 2, context = 512;
  const int64_t pairs = many * context - many * (many - 1) / 2;
  rates.attention_flops_per_s = 4 * static_cast<double>(pairs * kHeads * kHeadDim) / best_s([&] {
                                  return bench.attention_s(KvFormat::kBF16, many, context);
                                });
  for (const KvFormat format : {KvFormat::kBF16, KvFormat::kInt8}) {
    const auto pages =
        static_cast<double>(KvPages::bytes(format, kMaxContext / kBlockTokens, kKvHeads, kHeadDim));
    rates.kv_bytes_per_s[static_cast<size_t>(format)] =
        pages / best_s([&] { return bench.attention_s(format, 1, kMaxContext); });
  }
  rates.kv_bytes_per_s[static_cast<size_t>(KvFormat::kF32)] = rates.kv(KvFormat::kBF16);
}

// CPU seconds of this process over wall-clock seconds of the device's threads: well below 1 where
// others had the cores.
double cpu_share(const DeviceInfo& device, double cpu_s, double wall_s) {
  return cpu_s / (wall_s * device.threads * device.speed);
}

}  // namespace

KernelRates measure_kernel_rates(Device& device) {
  if (device.info().kind == DeviceKind::kSimulated) return {};
  Bench bench(device);
  KernelRates rates;
  const auto measure = [](std::array<double, kPrecisionCount>& to, double rate,
                          std::initializer_list<Precision> alike) {
    for (const Precision precision : alike) to[static_cast<size_t>(precision)] = rate;
  };
  using enum Precision;
  const double cpu_s = process_cpu_s(), start_s = now_s();
  measure(rates.flops_per_s, matmul_flops_per_s(bench, kF32), {kF32});
  measure(rates.flops_per_s, matmul_flops_per_s(bench, kBF16), {kBF16, kFp8});
  measure(rates.flops_per_s, matmul_flops_per_s(bench, kInt8), {kInt8});
  measure(rates.flops_per_s, matmul_flops_per_s(bench, kInt4), {kInt6, kInt5, kInt4});
  rates.undisturbed =
      cpu_share(device.info(), process_cpu_s() - cpu_s, now_s() - start_s) > kLeastShare;
  for (const Precision precision : kPrecisions)
    measure(rates.read_bytes_per_s, weights_per_s(bench, precision == kFp8 ? kBF16 : precision),
            {precision});
  measure_attention(bench, rates);
  // norm: read and written; swiglu: two read, one written
  rates.values_per_s = static_cast<double>(kMaxRows * kIn) * 3.5 /
                       best_s([&] { return bench.norm_and_swiglu_s(kMaxRows); });
  rates.op_s = best_s([&] { return bench.small_ops_s(); });
  return rates;
}

}  // namespace tessera
