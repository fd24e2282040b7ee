#include "ops/rate_bench.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "device/cuda_device.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace tessera {
namespace {

constexpr double kQueue_s = 1e-3, kRepeat_s = 4e-3, kLong_s = 50e-3;
constexpr int kMostQueued = 32;
constexpr double kLeastOfTwo = 0.2;      // of two ops' time is one's, however it was disturbed
constexpr double kLeastOfActive = 0.02;  // of a matmul's time is its activation's
constexpr unsigned char kOneHundredth = 0x3c;  // 0.011 in bf16 and f32, repeated

RateSizes sizes_for(const Device& device, uint64_t weight_bytes) {
  constexpr uint64_t kMostBytes = 768 * kMiB;
  weight_bytes = std::min(weight_bytes, kMostBytes);
  if (device.info().kind == DeviceKind::kCuda && kCudaEmulated)
    return {.rows = {1, 4, 8, 12},
            .widths = {32, 64, 256},
            .kv_heads = 1,
            .weight_bytes = 384 * kKiB,
            .max_context = 512,
            .once = true};
  if (device.info().kind == DeviceKind::kCuda)
    return {.rows = {1, 16, 128, 1536},
            .widths = {128, 768, 4096},
            .kv_heads = 8,
            .weight_bytes = 256 * kMiB,
            .max_context = 65536,
            .once = false};
  // The plain loops are slower than any memory: 16 MiB say what 600 do, in 1.5 s and not in 27.
  if (device.info().isa == Isa::kPlain)
    return {.rows = {1, 4, 16, 64},
            .widths = {64, 256, 1024},
            .kv_heads = 2,
            .weight_bytes = 16 * kMiB,
            .max_context = 8192,
            .once = false};
  return {.rows = {1, 8, 64, 256},
          .widths = {128, 768, 4096},
          .kv_heads = 8,
          .weight_bytes = weight_bytes,
          .max_context = static_cast<int64_t>(weight_bytes / 6144) / kBlockTokens * kBlockTokens,
          .once = false};
}

}  // namespace

RateBench::RateBench(Device& device, uint64_t weight_bytes)
    : device_(device),
      sizes_(sizes_for(device, weight_bytes)),
      stream_(device.open_stream("rates")),
      begin_(device.make_event()),
      end_(device.make_event()),
      weights_(allocate(sizes_.weight_bytes)),
      x_(allocate(2 * activation_bytes())),
      y_(allocate(activation_bytes())),
      scratch_(allocate(activation_bytes())),
      indices_(allocate(
          static_cast<uint64_t>(2 * sizes_.most_rows() + sizes_.max_context / kBlockTokens) * 4)) {
  // Writes every page: one that was never written would be read from the cache.
  if (device.info().kind == DeviceKind::kVirtual) {
    stream_->run({}, Work([to = static_cast<std::byte*>(weights_.data()),
                           bytes = weights_.bytes()](WorkerPool& pool) {
                   pool.for_each(static_cast<int64_t>(bytes / kMiB), [&](int64_t i) {
                     std::memset(to + i * kMiB, kOneHundredth, kMiB);
                   });
                 }));
    stream_->synchronize();
  } else {
    fill(weights_);
  }
  fill(x_);
}

uint64_t RateBench::activation_bytes() const {
  return static_cast<uint64_t>(sizes_.most_rows() * sizes_.width() * 4);
}

void RateBench::fill(const DeviceBuffer& buffer) {
  const std::vector<std::byte> piece(kMiB, std::byte{kOneHundredth});
  for (uint64_t at = 0; at < buffer.bytes(); at += piece.size())
    device_.write(static_cast<std::byte*>(buffer.data()) + at,
                  std::span(piece).first(std::min(piece.size(), buffer.bytes() - at)));
}

DeviceBuffer RateBench::allocate(uint64_t bytes) {
  return device_.allocate(bytes, MemoryKind::kFixed, "rate measurement");
}

Tensor RateBench::view(const DeviceBuffer& of, int64_t rows, int64_t cols) {
  return {of.data(), &device_, DType::kF32, {rows, cols}};
}

void* RateBench::next_weights(uint64_t bytes, bool stay) {
  constexpr uint64_t kAlignment = 256;
  if (stay) return weights_.data();
  if (cursor_ + bytes > weights_.bytes()) cursor_ = 0;
  void* const at = static_cast<std::byte*>(weights_.data()) + cursor_;
  cursor_ += round_up(bytes, kAlignment);
  return at;
}

double RateBench::time(const std::function<void()>& queue) {
  const double start = now_s();
  stream_->record(*begin_);
  queue();
  stream_->record(*end_);
  stream_->synchronize();
  return device_.info().kind == DeviceKind::kCuda ? end_->time_s() - begin_->time_s()
                                                  : now_s() - start;
}

double RateBench::best_s(const std::function<void()>& op) {
  double best = time(op);
  if (sizes_.once || best > kLong_s) return best;
  const int queued = std::clamp(static_cast<int>(kQueue_s / best), 1, kMostQueued);
  const double start = now_s();
  do {
    best = std::min(best, time([&] {
                            for (int i = 0; i < queued; ++i) op();
                          }) / queued);
  } while (now_s() - start < kRepeat_s);
  return best;
}

void RateBench::norm(int64_t rows, int64_t cols) {
  const Tensor weight(weights_.data(), &device_, DType::kF32, {cols});
  Tensor x = view(x_, rows, cols);
  rms_norm(*stream_, x, weight, 1e-5F, x);
}

double RateBench::norm_s(int64_t rows, int64_t cols) {
  const auto [known, missing] = norms_s_.try_emplace({rows, cols});
  if (missing) known->second = best_s([&] { norm(rows, cols); });
  return known->second;
}

double RateBench::after_norm_s(int64_t rows, int64_t cols, const std::function<void()>& op) {
  const double both_s = best_s([&] {
    norm(rows, cols);
    op();
  });
  return std::max(both_s - norm_s(rows, cols), kLeastOfTwo * both_s);
}

double RateBench::matmul_s(int64_t rows, Precision precision, int64_t in, int64_t out) {
  const uint64_t bytes = PackedMatrix::bytes(precision, out, in);
  const bool stay = static_cast<double>(std::min(in, out)) <= sizes_.widths.front();
  Tensor to = view(y_, rows, out);
  return after_norm_s(rows, in, [&] {
    const PackedMatrix w = {next_weights(bytes, stay), &device_, precision, out, in};
    Arena arena(scratch_);
    matmul(*stream_, arena, view(x_, rows, in), w, {}, to);
  });
}

double RateBench::attention_s(KvFormat format, int64_t rows, int64_t context, int64_t head_dim) {
  const int64_t blocks = context / kBlockTokens, heads = sizes_.width() / head_dim;
  const int64_t kv_heads = std::min(sizes_.kv_heads * kHeadDim / head_dim, heads);
  const KvPages pages = {weights_.data(), &device_, format, blocks, kv_heads, head_dim};
  const Tensor ids(indices_.data(), &device_, DType::kI32, {2 * rows + blocks});
  std::vector<int32_t> values(static_cast<size_t>(2 * rows + blocks), 0);
  std::iota(values.begin(), values.begin() + rows, static_cast<int32_t>(context - rows));
  std::iota(values.begin() + 2 * rows, values.end(), 0);
  device_.write(ids.data, std::as_bytes(std::span(values)));
  const BatchRows batch = {
      .positions = ids.slice_rows(0, rows),
      .sequence = ids.slice_rows(rows, rows),
      .blocks = {ids.slice_rows(2 * rows, blocks).data, &device_, DType::kI32, {1, blocks}},
      .max_context = context};
  Tensor to = view(y_, rows, sizes_.width());
  return after_norm_s(rows, sizes_.width(), [&] {
    paged_attention(*stream_, view(x_, rows, sizes_.width()), pages, batch, heads, 0.088F, to);
  });
}

double RateBench::values(ValueKind kind, int64_t rows) const {
  const int64_t width = sizes_.width();
  const int64_t cached = 2 * sizes_.kv_heads * kHeadDim;
  switch (kind) {
    case ValueKind::kNorm:
    case ValueKind::kRotation:
      return static_cast<double>(2 * rows * width);
    case ValueKind::kCache:
      return static_cast<double>(2 * rows * cached);
    case ValueKind::kActivation:
      break;
  }
  return static_cast<double>(3 * rows * width);
}

double RateBench::values_s(ValueKind kind, int64_t rows) {
  const int64_t width = sizes_.width(), kv_width = sizes_.kv_heads * kHeadDim;
  Tensor to = view(y_, rows, width);
  switch (kind) {
    case ValueKind::kNorm:
      return norm_s(rows, width);
    case ValueKind::kRotation: {
      const Tensor frequencies(weights_.data(), &device_, DType::kF32, {kHeadDim / 2});
      std::vector<int32_t> values(static_cast<size_t>(rows));
      std::iota(values.begin(), values.end(), 0);
      const Tensor positions(indices_.data(), &device_, DType::kI32, {rows});
      device_.write(positions.data, std::as_bytes(std::span(values)));
      return best_s(
          [&] { rope(*stream_, to, positions, width / kHeadDim, kHeadDim, frequencies); });
    }
    case ValueKind::kCache: {
      const int64_t blocks = divide_up(rows, kBlockTokens);
      KvPages pages = {scratch_.data(), &device_,        KvFormat::kBF16,
                       blocks,          sizes_.kv_heads, kHeadDim};
      std::vector<int32_t> values(static_cast<size_t>(2 * rows + blocks), 0);
      std::iota(values.begin(), values.begin() + rows, 0);
      std::iota(values.begin() + 2 * rows, values.end(), 0);
      const Tensor ids(indices_.data(), &device_, DType::kI32, {2 * rows + blocks});
      device_.write(ids.data, std::as_bytes(std::span(values)));
      const BatchRows batch = {
          .positions = ids.slice_rows(0, rows),
          .sequence = ids.slice_rows(rows, rows),
          .blocks = {ids.slice_rows(2 * rows, blocks).data, &device_, DType::kI32, {1, blocks}},
          .max_context = rows};
      const Tensor from = view(x_, rows, 2 * kv_width);
      return after_norm_s(rows, 2 * kv_width, [&] {
        kv_append(*stream_, from.slice_cols(0, kv_width), from.slice_cols(kv_width, kv_width),
                  batch, pages);
      });
    }
    case ValueKind::kActivation:
      break;
  }
  // As a matmul has it: what it takes longer with than without.
  const auto with = [&](bool swiglu) {
    const int64_t in = static_cast<int64_t>(sizes_.widths.front());
    const PackedMatrix w = {weights_.data(), &device_, Precision::kBF16, 2 * width, in};
    Tensor gate_up = view(x_, rows, 2 * width);
    return best_s([&] {
      Arena arena(scratch_);
      matmul(*stream_, arena, view(y_, rows, in), w, {.swiglu = swiglu}, gate_up);
    });
  };
  const double both_s = with(true);
  return std::max(both_s - with(false), kLeastOfActive * both_s);
}

double RateBench::small_op_s(int64_t rows) {
  Tensor to = view(y_, rows, 1);
  return best_s([&] { add(*stream_, to, to, to); });
}

}  // namespace tessera
