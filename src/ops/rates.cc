#include "ops/rates.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/units.h"
#include "ops/kv_cache.h"
#include "ops/packed_matrix.h"
#include "ops/rate_bench.h"

namespace tessera {
namespace {

constexpr double kLeastShare = 0.9;  // of the cores' time, in a measurement that is to be kept
constexpr double kTooLong_s = 0.1;

// A device so slow that many rows would take too long takes as long for each as for fewer.
void measure_matmuls(RateBench& bench, Precision precision, MatmulTimes& times) {
  MatmulTimes::Grid& grid = times.seconds[static_cast<size_t>(precision)];
  for (size_t in = 0; in < MatmulTimes::kWidths; ++in)
    for (size_t out = 0; out < MatmulTimes::kWidths; ++out) {
      double before_s = 0;
      for (size_t row = 0; row < MatmulTimes::kRowCounts; ++row) {
        const double growth = row == 0 ? 1 : times.rows[row] / times.rows[row - 1];
        const double most_s = growth * before_s;
        before_s = most_s > kTooLong_s
                       ? most_s
                       : bench.matmul_s(static_cast<int64_t>(times.rows[row]), precision,
                                        static_cast<int64_t>(times.widths[in]),
                                        static_cast<int64_t>(times.widths[out]));
        grid[MatmulTimes::index(row, in, out)] = before_s;
      }
    }
  times.settle(precision);
}

void measure_matmuls(RateBench& bench, KernelRates& rates) {
  using enum Precision;
  rates.matmul_times.rows = bench.sizes().rows;
  rates.matmul_times.widths = bench.sizes().widths;
  for (const Precision precision : kPrecisions)
    if (precision != kFp8) measure_matmuls(bench, precision, rates.matmul_times);
  rates.matmul_times.seconds[static_cast<size_t>(kFp8)] =
      rates.matmul_times.seconds[static_cast<size_t>(kBF16)];

  const int64_t width = bench.sizes().width();
  const auto wide = static_cast<double>(width), rows = bench.sizes().rows.back();
  for (const Precision precision : kPrecisions) {
    const auto index = static_cast<size_t>(precision);
    const auto bytes = PackedMatrix::bytes(precision == kFp8 ? kBF16 : precision, width, width);
    rates.flops_per_s[index] =
        2 * rows * wide * wide / rates.matmul_times.at(precision, rows, wide, wide);
    rates.read_bytes_per_s[index] =
        static_cast<double>(bytes) / rates.matmul_times.at(precision, 1, wide, wide);
  }
}

// A time that grows with the size of heads: what there is of it anyway, and for each number. Of a
// disturbed measurement the smaller heads may have taken longer: then all is for the numbers.
struct ByHeadSize {
  ByHeadSize(double half_s, double whole_s)
      : number_s(half_s < whole_s ? 2 * (whole_s - half_s) / RateBench::kHeadDim
                                  : whole_s / RateBench::kHeadDim),
        fixed_s(std::max(whole_s - number_s * RateBench::kHeadDim, 0.0)) {}

  double number_s, fixed_s;
};

// Attention of many rows takes a time for each query and one for each of its scores; two contexts
// and two sizes of heads tell these apart.
void measure_many_queries(RateBench& bench, KernelRates& rates) {
  const int64_t rows = bench.sizes().most_rows();
  const int64_t first = round_up(rows, kBlockTokens), second = 4 * first;
  std::array<double, 2> query_s = {}, score_s = {};  // of heads half as large, of whole ones
  for (size_t size = 0; size < 2; ++size) {
    const int64_t head_dim = size == 0 ? RateBench::kHeadDim / 2 : RateBench::kHeadDim;
    const auto queries = static_cast<double>(rows * (bench.sizes().width() / head_dim));
    const auto time = [&](int64_t context) {
      return bench.attention_s(KvFormat::kBF16, rows, context, head_dim) / queries;
    };
    const double at_first = time(first), at_second = time(second);
    const double scores = static_cast<double>(first) - static_cast<double>(rows - 1) / 2;
    const double shared = at_first / scores;  // were there nothing else
    score_s[size] = std::min(
        std::max(at_second - at_first, 0.1 * at_first) / static_cast<double>(second - first),
        shared);
    query_s[size] = std::max(at_first - scores * score_s[size], 0.0);
  }
  const ByHeadSize score(score_s[0], score_s[1]);
  rates.attention_flops_per_s = 4 / score.number_s;
  rates.score_s = score.fixed_s;
  rates.query_value_s = query_s[1] / RateBench::kHeadDim;
}

void measure_attention(RateBench& bench, KernelRates& rates) {
  const RateSizes& sizes = bench.sizes();
  measure_many_queries(bench, rates);
  rates.attention_s = bench.attention_s(KvFormat::kBF16, 1, kBlockTokens, RateBench::kHeadDim);
  for (const KvFormat format : {KvFormat::kBF16, KvFormat::kInt8}) {
    const auto pages = static_cast<double>(KvPages::bytes(format, sizes.max_context / kBlockTokens,
                                                          sizes.kv_heads, RateBench::kHeadDim));
    rates.kv_bytes_per_s[static_cast<size_t>(format)] =
        pages / bench.attention_s(format, 1, sizes.max_context, RateBench::kHeadDim);
  }
  rates.kv_bytes_per_s[static_cast<size_t>(KvFormat::kF32)] = rates.kv(KvFormat::kBF16);
}

// CPU seconds of this process over wall-clock seconds of the device's threads: well below 1 where
// others had the cores.
double cpu_share(const DeviceInfo& device, double cpu_s, double wall_s) {
  return cpu_s / (wall_s * device.threads * device.speed);
}

// Beside matmuls and attention an op takes a time, each of its rows one, and each number one.
void measure_others(RateBench& bench, KernelRates& rates) {
  const int64_t rows = bench.sizes().most_rows();
  const auto many = static_cast<double>(rows);
  rates.op_s = bench.small_op_s(1);
  rates.row_s = std::max(bench.small_op_s(rows) - rates.op_s, 0.0) / (many - 1);
  for (const ValueKind kind :
       {ValueKind::kNorm, ValueKind::kRotation, ValueKind::kCache, ValueKind::kActivation}) {
    const double whole_s = bench.values_s(kind, rows);
    // An activation is part of a matmul, whose time has the op's and its rows'.
    const double op_s = kind == ValueKind::kActivation ? 0 : rates.op_s + many * rates.row_s;
    const double values_s = std::max(whole_s - op_s, 0.1 * whole_s);
    rates.values_per_s[static_cast<size_t>(kind)] = bench.values(kind, rows) / values_s;
  }
}

}  // namespace

KernelRates measure_kernel_rates(Device& device, uint64_t weight_bytes) {
  if (device.info().kind == DeviceKind::kSimulated) return {};
  RateBench bench(device, weight_bytes);
  KernelRates rates;
  const double cpu_s = process_cpu_s(), start_s = now_s();
  measure_matmuls(bench, rates);
  rates.undisturbed =
      device.info().kind == DeviceKind::kCuda ||
      cpu_share(device.info(), process_cpu_s() - cpu_s, now_s() - start_s) > kLeastShare;
  measure_attention(bench, rates);
  measure_others(bench, rates);
  return rates;
}

}  // namespace tessera
