#include <array>
#include <cmath>

#include "ops/cpu.h"

namespace tessera {
namespace {

constexpr size_t kLanes = 16;

// The sum over c of term(c), in an order that any vector width of up to 16 can keep: lane c % 16
// adds its terms one after another, then lanes are added in halves: 8 + 8, 4 + 4, 2 + 2, 1 + 1.
template <typename Term>
float lane_sum(int64_t count, const Term& term) {
  std::array<float, kLanes> lanes = {};
  int64_t c = 0;
  for (; c + static_cast<int64_t>(kLanes) <= count; c += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] += term(c + static_cast<int64_t>(lane));
  for (size_t lane = 0; c < count; ++c, ++lane) lanes[lane] += term(c);
  for (size_t half = kLanes / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

}  // namespace

void rms_norm_cpu(WorkerPool& pool, const Tensor& x, const Tensor& weight, float eps,
                  const Tensor& out) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  pool.for_each(rows, [&](int64_t r) {
    const float *in = x.f32(r), *w = weight.f32();
    float* to = out.f32(r);

    const float sum = lane_sum(cols, [in](int64_t c) { return in[c] * in[c]; });
    const float scale = 1 / std::sqrt(sum / static_cast<float>(cols) + eps);
    for (int64_t c = 0; c < cols; ++c) to[c] = in[c] * scale * w[c];
  });
}

void layer_norm_cpu(WorkerPool& pool, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    float eps, const Tensor& out) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  const auto n = static_cast<float>(cols);
  pool.for_each(rows, [&](int64_t r) {
    const float *in = x.f32(r), *w = weight.f32(), *b = bias.f32();
    float* to = out.f32(r);

    const float mean = lane_sum(cols, [in](int64_t c) { return in[c]; }) / n;
    const float squares =
        lane_sum(cols, [in, mean](int64_t c) { return (in[c] - mean) * (in[c] - mean); });
    const float scale = 1 / std::sqrt(squares / n + eps);
    for (int64_t c = 0; c < cols; ++c) to[c] = (in[c] - mean) * scale * w[c] + b[c];
  });
}

}  // namespace tessera
