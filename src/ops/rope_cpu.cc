#include <algorithm>
#include <array>
#include <cmath>

#include "ops/cpu.h"

namespace tessera {
namespace {

constexpr int64_t kAngles = 128;  // computed at a time, once for all heads

}  // namespace

void rope_cpu(WorkerPool& pool, const Tensor& x, const Tensor& positions, int64_t heads,
              int64_t head_dim, const Tensor& inv_freq) {
  const int64_t rows = x.shape[0], half = head_dim / 2;
  pool.for_each(rows, [&](int64_t r) {
    const auto position = static_cast<float>(positions.i32()[r]);
    std::array<float, kAngles> cosines, sines;
    for (int64_t first = 0; first < half; first += kAngles) {
      const int64_t count = std::min(kAngles, half - first);
      for (int64_t i = 0; i < count; ++i) {
        // The angle is rounded to f32; sine and cosine in f64, so that 2e5 rad lose nothing more.
        const float angle = position * inv_freq.f32()[first + i];
        cosines[static_cast<size_t>(i)] = static_cast<float>(std::cos(double{angle}));
        sines[static_cast<size_t>(i)] = static_cast<float>(std::sin(double{angle}));
      }
      for (int64_t head = 0; head < heads; ++head) {
        float* low = x.f32(r) + head * head_dim + first;
        float* high = low + half;
        for (int64_t i = 0; i < count; ++i) {
          const float c = cosines[static_cast<size_t>(i)], s = sines[static_cast<size_t>(i)];
          const float a = low[i], b = high[i];
          low[i] = a * c - b * s;
          high[i] = b * c + a * s;
        }
      }
    }
  });
}

}  // namespace tessera
