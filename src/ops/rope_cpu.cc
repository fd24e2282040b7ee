#include <algorithm>
#include <array>

#include "ops/cpu.h"
#include "ops/row_loops.h"

namespace tessera {
namespace {

constexpr int64_t kAngles = 128;  // computed at a time, once for all heads

}  // namespace

void rope_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const Tensor& positions, int64_t heads,
              int64_t head_dim, const Tensor& inv_freq) {
  const RowLoops loops = row_loops(isa);
  const int64_t rows = x.shape[0], half = head_dim / 2;
  pool.for_each(rows, [&](int64_t r) {
    const auto position = static_cast<float>(positions.i32()[r]);
    std::array<float, kAngles> sines, cosines;
    for (int64_t first = 0; first < half; first += kAngles) {
      const int64_t count = std::min(kAngles, half - first);
      loops.sines(position, inv_freq.f32() + first, count, sines.data(), cosines.data());
      for (int64_t head = 0; head < heads; ++head) {
        float* low = x.f32(r) + head * head_dim + first;
        loops.turn(sines.data(), cosines.data(), count, low, low + half);
      }
    }
  });
}

}  // namespace tessera
