#include "ops/rates.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "device/cuda_device.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/norm.h"

namespace tessera {
namespace {

constexpr int64_t kHeadDim = 128;
constexpr double kUnitS = 5e-3, kRepeatS = 30e-3;
constexpr double kLeastShare = 0.9;  // of the cores' time, in a measurement that is to be kept
constexpr int kSmallOps = 32;
constexpr unsigned char kOneHundredth = 0x3c;  // 0.011 in bf16 and f32, repeated

// What is timed on one kind of device.
struct Sizes {
  int64_t in, kv_heads;
  uint64_t weight_bytes;  // several times the caches of a core's neighbourhood, or of a GPU
  int64_t max_rows, max_context;

  int64_t heads() const { return in / kHeadDim; }
  int64_t activation_bytes() const { return max_rows * in * 4; }
};

Sizes sizes_for(const Device& device, uint64_t weight_bytes) {
  constexpr uint64_t kMostBytes = 768 * kMiB;  // one row of as many outputs fits beside it
  weight_bytes = std::min(weight_bytes, kMostBytes);
  // The plain loops are slower than any memory: 16 MiB say what 600 do, in 1.5 s and not in 27.
  if (device.info().kind != DeviceKind::kCuda && device.info().isa == Isa::kPlain)
    return {
        .in = 1024, .kv_heads = 2, .weight_bytes = 16 * kMiB, .max_rows = 96, .max_context = 8192};
  if (device.info().kind != DeviceKind::kCuda)
    return {.in = 4096,
            .kv_heads = 8,
            .weight_bytes = weight_bytes,
            .max_rows = 96,
            .max_context = static_cast<int64_t>(weight_bytes / 6144) / kBlockTokens * kBlockTokens};
  if (kCudaEmulated)
    return {
        .in = 256, .kv_heads = 1, .weight_bytes = 256 * kKiB, .max_rows = 12, .max_context = 512};
  return {.in = 4096,
          .kv_heads = 8,
          .weight_bytes = 256 * kMiB,
          .max_rows = 1536,
          .max_context = 65536};
}

// The shortest of the runs that fit in a short while: others on the machine only make it longer.
template <typename Run>
double best_s(const Run& run) {
  const double start = now_s();
  double best = run();
  while (now_s() - start < kRepeatS) best = std::min(best, run());
  return best;
}

struct Bench {
  Bench(Device& on, uint64_t weight_bytes)
      : device(on),
        sizes(sizes_for(on, weight_bytes)),
        stream(on.open_stream("rates")),
        begin(on.make_event()),
        end(on.make_event()),
        weights(allocate(sizes.weight_bytes)),
        x(allocate(sizes.activation_bytes())),
        y(allocate(sizes.activation_bytes())),
        scratch(allocate(sizes.activation_bytes())),
        indices(allocate((2 * sizes.max_rows + sizes.max_context / kBlockTokens) * 4)) {
    // Writes every page: one that was never written would be read from the cache.
    if (device.info().kind == DeviceKind::kVirtual) {
      stream->run({}, Work([to = static_cast<std::byte*>(weights.data()),
                            bytes = weights.bytes()](WorkerPool& pool) {
                    pool.for_each(static_cast<int64_t>(bytes / kMiB), [&](int64_t i) {
                      std::memset(to + i * kMiB, kOneHundredth, kMiB);
                    });
                  }));
      stream->synchronize();
    } else {
      fill(weights);
    }
    fill(x);
  }

  void fill(const DeviceBuffer& buffer) {
    const std::vector<std::byte> piece(kMiB, std::byte{kOneHundredth});
    for (uint64_t at = 0; at < buffer.bytes(); at += piece.size())
      device.write(static_cast<std::byte*>(buffer.data()) + at,
                   std::span(piece).first(std::min(piece.size(), buffer.bytes() - at)));
  }

  DeviceBuffer allocate(uint64_t bytes) {
    return device.allocate(bytes, MemoryKind::kFixed, "rate measurement");
  }
  Tensor view(const DeviceBuffer& of, int64_t rows, int64_t cols) {
    return {of.data(), &device, DType::kF32, {rows, cols}};
  }

  // Seconds of what `queue` puts on the stream: the caller's, or those of a device that has a clock
  // of its own and is asked for work far ahead.
  template <typename Queue>
  double time(const Queue& queue) {
    const double start = now_s();
    stream->record(*begin);
    queue();
    stream->record(*end);
    stream->synchronize();
    return device.info().kind == DeviceKind::kCuda ? end->time_s() - begin->time_s()
                                                   : now_s() - start;
  }

  double matmul_s(int64_t rows, Precision precision, int64_t out) {
    const PackedMatrix w = {weights.data(), &device, precision, out, sizes.in};
    Arena arena(scratch);
    Tensor to = view(y, rows, out);
    return time([&] { matmul(*stream, arena, view(x, rows, sizes.in), w, {}, to); });
  }

  // The last rows of one sequence with all of it.
  double attention_s(KvFormat format, int64_t rows, int64_t context) {
    const int64_t blocks = context / kBlockTokens;
    const KvPages pages = {weights.data(), &device, format, blocks, sizes.kv_heads, kHeadDim};
    const Tensor ids(indices.data(), &device, DType::kI32, {2 * rows + blocks});
    std::vector<int32_t> values(static_cast<size_t>(2 * rows + blocks), 0);
    std::iota(values.begin(), values.begin() + rows, static_cast<int32_t>(context - rows));
    std::iota(values.begin() + 2 * rows, values.end(), 0);
    device.write(ids.data, std::as_bytes(std::span(values)));
    const BatchRows batch = {
        .positions = ids.slice_rows(0, rows),
        .sequence = ids.slice_rows(rows, rows),
        .blocks = {ids.slice_rows(2 * rows, blocks).data, &device, DType::kI32, {1, blocks}},
        .max_context = context};
    Tensor to = view(y, rows, sizes.in);
    return time([&] {
      paged_attention(*stream, view(x, rows, sizes.in), pages, batch, sizes.heads(), 0.088F, to);
    });
  }

  double norm_and_swiglu_s(int64_t rows) {
    Tensor normed = view(y, rows, sizes.in), gated = view(y, rows, sizes.in / 2);
    const Tensor weight(weights.data(), &device, DType::kF32, {sizes.in});
    return time([&] {
      rms_norm(*stream, view(x, rows, sizes.in), weight, 1e-5F, normed);
      swiglu(*stream, view(x, rows, sizes.in), gated);
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
  const Sizes sizes;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Event> begin, end;
  DeviceBuffer weights, x, y, scratch, indices;
};

// As many rows as a slow device does in a few milliseconds, or as a prefill has.
double matmul_flops_per_s(Bench& bench, Precision precision) {
  const int64_t in = bench.sizes.in, most = bench.sizes.max_rows;
  int64_t rows = 12;
  while (rows < most && bench.matmul_s(rows, precision, in) < kUnitS) rows *= 2;
  rows = std::min(rows, most);
  const double flops = 2 * static_cast<double>(rows * in * in);
  return flops / best_s([&] { return bench.matmul_s(rows, precision, in); });
}

// One row and as many weights as there is room for.
double weights_per_s(Bench& bench, Precision precision) {
  const int64_t in = bench.sizes.in;
  const auto panel = PackedMatrix::bytes(precision, kPanelRows, in);
  const auto out = static_cast<int64_t>(bench.sizes.weight_bytes / panel) * kPanelRows;
  const double bytes = static_cast<double>(PackedMatrix::bytes(precision, out, in));
  return bytes / best_s([&] { return bench.matmul_s(1, precision, out); });
}

void measure_attention(Bench& bench, KernelRates& rates) {
  const Sizes& sizes = bench.sizes;
  const int64_t many = sizes.max_rows / 2, context = std::max<int64_t>(512, sizes.max_rows);
  const int64_t pairs = many * context - many * (many - 1) / 2;
  rates.attention_flops_per_s =
      4 * static_cast<double>(pairs * sizes.heads() * kHeadDim) /
      best_s([&] { return bench.attention_s(KvFormat::kBF16, many, context); });
  for (const KvFormat format : {KvFormat::kBF16, KvFormat::kInt8}) {
    const auto pages = static_cast<double>(
        KvPages::bytes(format, sizes.max_context / kBlockTokens, sizes.kv_heads, kHeadDim));
    rates.kv_bytes_per_s[static_cast<size_t>(format)] =
        pages / best_s([&] { return bench.attention_s(format, 1, sizes.max_context); });
  }
  rates.kv_bytes_per_s[static_cast<size_t>(KvFormat::kF32)] = rates.kv(KvFormat::kBF16);
}

// CPU seconds of this process over wall-clock seconds of the device's threads: well below 1 where
// others had the cores.
double cpu_share(const DeviceInfo& device, double cpu_s, double wall_s) {
  return cpu_s / (wall_s * device.threads * device.speed);
}

}  // namespace

KernelRates measure_kernel_rates(Device& device, uint64_t weight_bytes) {
  if (device.info().kind == DeviceKind::kSimulated) return {};
  Bench bench(device, weight_bytes);
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
      device.info().kind == DeviceKind::kCuda ||
      cpu_share(device.info(), process_cpu_s() - cpu_s, now_s() - start_s) > kLeastShare;
  for (const Precision precision : kPrecisions)
    measure(rates.read_bytes_per_s, weights_per_s(bench, precision == kFp8 ? kBF16 : precision),
            {precision});
  measure_attention(bench, rates);
  // norm: read and written; swiglu: two read, one written
  const int64_t rows = bench.sizes.max_rows;
  rates.values_per_s = static_cast<double>(rows * bench.sizes.in) * 3.5 /
                       best_s([&] { return bench.norm_and_swiglu_s(rows); });
  rates.op_s = best_s([&] { return bench.small_ops_s(); });
  return rates;
}

}  // namespace tessera
