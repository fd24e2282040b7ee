#include <algorithm>

#include "ops/cpu.h"
#include "ops/matmul_tile.h"

namespace tessera {
namespace {

// Two panels for many rows: with 4096 inputs they stay in a core's L2 cache while the rows of x
// pass (256 KiB in bf16). Four for few rows: as many streams from memory at a time.
constexpr int64_t kManyRows = 6, kManyRowsPanels = 2, kFewRowsPanels = 4;
// Enough rows to pay for fetching the weights; few enough that small matrices feed all threads.
constexpr int64_t kTaskRows = 192;

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

void compute(Isa isa, const MatmulOperands& op, const MatmulTile& tile) {
  switch (isa) {
    case Isa::kPlain:
      return matmul_tile_plain(op, tile);
    case Isa::kAvx2:
      return matmul_tile_avx2(op, tile);
    case Isa::kAvx512:
      return matmul_tile_avx512(op, tile);
  }
}

}  // namespace

void matmul_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const PackedMatrix& w,
                const Tensor& bias, bool add_to_out, const Tensor& out) {
  const int64_t rows = x.shape[0], panels = w.panels();
  const MatmulOperands op = {.x = x.f32(),
                             .x_stride = x.row_stride,
                             .w = w.data,
                             .bf16 = w.dtype == DType::kBF16,
                             .in = w.in,
                             .out = w.out,
                             .bias = bias.f32(),
                             .add_to_y = add_to_out,
                             .y = out.f32(),
                             .y_stride = out.row_stride};
  // Tasks of the same panels follow each other: their weights are in a cache then.
  const int64_t row_tasks = divide_up(rows, kTaskRows);
  const int64_t task_panels = rows > kManyRows ? kManyRowsPanels : kFewRowsPanels;
  pool.for_each(row_tasks * divide_up(panels, task_panels), [&](int64_t task) {
    MatmulTile tile;
    tile.first_row = task % row_tasks * kTaskRows;
    tile.rows = std::min(kTaskRows, rows - tile.first_row);
    tile.first_panel = task / row_tasks * task_panels;
    tile.panels = std::min(task_panels, panels - tile.first_panel);
    compute(isa, op, tile);
  });
}

}  // namespace tessera
