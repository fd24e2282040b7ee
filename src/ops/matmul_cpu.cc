#include <algorithm>

#include "base/units.h"
#include "ops/activation_loops.h"
#include "ops/cpu.h"
#include "ops/matmul_tile.h"
#include "ops/row_shares.h"

namespace tessera {
namespace {

MatmulKernel kernel_for(Isa isa, int bits) {
  switch (isa) {
    case Isa::kPlain:
      return matmul_kernel_plain(bits);
    case Isa::kAvx2:
      return matmul_kernel_avx2(bits);
    case Isa::kAvx512:
      return matmul_kernel_avx512(bits);
    case Isa::kAvx512Vnni:
      return bits > 8 ? matmul_kernel_avx512(bits) : matmul_kernel_avx512_vnni(bits);
    case Isa::kAvx512Bf16:
      return bits == 16 ? matmul_kernel_avx512_bf16(bits) : kernel_for(Isa::kAvx512Vnni, bits);
    case Isa::kAmx:
      if (bits == 32) return matmul_kernel_avx512(bits);
      return bits == 16 ? matmul_kernel_amx_bf16(bits) : matmul_kernel_amx_int8(bits);
  }
  return matmul_kernel_plain(bits);
}

// Panels of a tile: fewer than it may have when else some threads had nothing to do at the end.
int64_t tile_panels(const MatmulKernel& kernel, int64_t row_tasks, int64_t panels, int threads) {
  constexpr int64_t kTasksEach = 8;
  const int64_t even = panels * row_tasks / (kTasksEach * threads);
  return std::clamp(even / kTilePanels * kTilePanels, kTilePanels, kernel.tile_panels);
}

}  // namespace

void matmul_cpu(WorkerPool& pool, Isa isa, const Tensor& x, const PreparedRows& prepared,
                const PackedMatrix& w, const MatmulFinish& finish, const Tensor& out) {
  const WeightFormat format = w.format();
  const int64_t rows = x.shape[0];
  const ActivationLoops loops = activation_loops(isa);
  // Gates and ups meet in one tile, unless a panel has some of both.
  const bool meet = finish.swiglu && w.out % (2 * kPanelRows) == 0;
  const int64_t halves = meet ? 2 : 1, panels = w.panels() / halves;
  const MatmulKernel kernel = kernel_for(isa, format.bits);
  const bool one_chunk = rows <= kernel.one_chunk_rows;
  const MatmulOperands op = {
      .x = x.f32(),
      .x_stride = x.row_stride,
      .prepared = prepared,
      .rows = rows,
      .in = w.in,
      .out = w.out,
      .w = w.data,
      .bits = format.bits,
      .group = format.group,
      .chunk = one_chunk ? w.one_chunk() : w.chunk(kernel.wide_chunks),
      .chunks = one_chunk ? 1 : w.chunks(kernel.wide_chunks),
      .padded_in = w.padded_in(),
      .panel_bytes = w.panel_bytes(),
      .scale_bytes = w.scale_bytes(),
      .bias = finish.bias.f32(),
      .add_to_y = finish.add_to_out,
      .y = out.f32(),
      .y_stride = out.row_stride,
      .gelu = finish.gelu ? loops.gelu[static_cast<size_t>(*finish.gelu)] : nullptr,
      .swiglu = meet ? loops.swiglu : nullptr,
      .first_up = panels};
  pool.for_each(rows, [&](int64_t row) { kernel.prepare(op, row); });
  const RowShares shares =
      share_rows(rows, pool.threads(), kernel.share_rows, kernel.tile_rows, kernel.row_step);
  const int64_t wide = tile_panels(kernel, shares.tiles(), w.panels(), pool.threads()) / halves;
  const int64_t kinds = divide_up(panels, wide);
  pool.for_each(shares.tasks(kinds), [&](int64_t index) {
    const RowShares::Task task = shares.task(index, kinds);
    if (task.first == task.end) return;
    MatmulTile tile = {.first_row = task.first, .rows = task.end - task.first};
    tile.first_panel = task.kind * wide;
    tile.panels = std::min(wide, panels - tile.first_panel) * halves;
    if (task.last_of_kind && task.kind + 1 < kinds) tile.next_panel = tile.first_panel + wide;
    kernel.compute(op, tile);
  });
  if (finish.swiglu && !meet) swiglu_cpu(pool, isa, out, out.slice_cols(0, w.out / 2));
}

}  // namespace tessera
