#include <algorithm>
#include <cmath>

#include "ops/convert.h"
#include "ops/matmul_tile.h"
#include "ops/packed_matrix.h"

namespace tessera {
namespace {

float weight(const MatmulOperands& op, int64_t o, int64_t i) {
  const int64_t index = (o / kPanelRows * op.in + i) * kPanelRows + o % kPanelRows;
  return op.bf16 ? f32_from_bf16(static_cast<const uint16_t*>(op.w)[index])
                 : static_cast<const float*>(op.w)[index];
}

}  // namespace

void matmul_tile_plain(const MatmulOperands& op, const MatmulTile& tile) {
  const int64_t last_out = std::min(op.out, (tile.first_panel + tile.panels) * kPanelRows);
  for (int64_t r = tile.first_row; r < tile.first_row + tile.rows; ++r) {
    const float* x = op.x + r * op.x_stride;
    float* y = op.y + r * op.y_stride;
    for (int64_t o = tile.first_panel * kPanelRows; o < last_out; ++o) {
      float sum = 0;
      for (int64_t i = 0; i < op.in; ++i) sum = std::fma(x[i], weight(op, o, i), sum);
      if (op.bias != nullptr) sum += op.bias[o];
      if (op.add_to_y) sum += y[o];
      y[o] = sum;
    }
  }
}

}  // namespace tessera
