#include "ops/amx_tiles.h"
#include "ops/matmul_blocks_avx512.h"

// bf16 by AMX: one instruction adds the products of 16 rows of x and 16 outputs over 32 inputs. A
// panel lies as its second operand wants it ([inputs / 2][16][2]). Sums have an order of additions
// of its own (matmul_tile.h), so every number of rows goes through it.

namespace tessera {
namespace {

constexpr int64_t kDepth = kLineBytes / 2;          // inputs of a tile register
constexpr int64_t kTileBytes = kSide * kLineBytes;  // of weights
// A tile of y is large, as the multipliers are faster than memory: of what they take at a time, x
// and the weights come from beyond the L2 cache once in it.
constexpr int64_t kTallRows = 256, kWidePanels = 16, kThinPanels = 4;
constexpr int64_t kStride = kWidePanels * kPanel;  // sums of one row
constexpr int64_t kSumBytes = kStride * sizeof(float);

/// What a block asks for while it multiplies, for the next chunk.
struct Fetch {
  const char* from;
  int64_t lines;  // with each tile of inputs
};

/// One or two blocks of rows, some panels, one chunk.
struct AmxBlock {
  const char* x[2];
  int64_t rows[2];  // of each
  const char* w[kThinPanels];
  int64_t inputs;
  float* sums;  // [rows][kStride]
  Fetch next_x, next_w[kThinPanels];
};

inline void fetch(const Fetch& what, int64_t step) {
  const char* at = what.from + step * what.lines * kLineBytes;
  for (int64_t i = 0; i < what.lines; ++i) _mm_prefetch(at + i * kLineBytes, _MM_HINT_T1);
}

/// Two blocks of rows, one or two panels.
template <int kPanels>
struct TwoByTwo {
  static void load(const AmxBlock& b) {
    float* second = b.sums + kSide * kStride;
    _tile_loadd(0, b.sums, kSumBytes);
    _tile_loadd(2, second, kSumBytes);
    if constexpr (kPanels == 2) {
      _tile_loadd(1, b.sums + kPanel, kSumBytes);
      _tile_loadd(3, second + kPanel, kSumBytes);
    }
  }
  static void add(const AmxBlock& b, const char* const (&w)[kThinPanels], int64_t step) {
    _tile_loadd(6, w[0], kLineBytes);
    _tile_loadd(4, b.x[0] + step * kTileBytes, kLineBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kPanels == 2) {
      _tile_loadd(7, w[1], kLineBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_loadd(5, b.x[1] + step * b.rows[1] * kLineBytes, kLineBytes);
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (kPanels == 2) _tile_dpbf16ps(3, 5, 7);
  }
  static void store(const AmxBlock& b) {
    float* second = b.sums + kSide * kStride;
    _tile_stored(0, b.sums, kSumBytes);
    _tile_stored(2, second, kSumBytes);
    if constexpr (kPanels == 2) {
      _tile_stored(1, b.sums + kPanel, kSumBytes);
      _tile_stored(3, second + kPanel, kSumBytes);
    }
  }
};

/// One block of rows, one to four panels.
template <int kPanels>
struct OneByFour {
  static void load(const AmxBlock& b) { load_sums<kPanels>(b.sums, kSumBytes); }
  static void add(const AmxBlock& b, const char* const (&w)[kThinPanels], int64_t step) {
    _tile_loadd(4, b.x[0] + step * b.rows[0] * kLineBytes, kLineBytes);
    _tile_loadd(6, w[0], kLineBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kPanels > 1) {
      _tile_loadd(7, w[1], kLineBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kPanels > 2) {
      _tile_loadd(6, w[2], kLineBytes);
      _tile_dpbf16ps(2, 4, 6);
    }
    if constexpr (kPanels > 3) {
      _tile_loadd(7, w[3], kLineBytes);
      _tile_dpbf16ps(3, 4, 7);
    }
  }
  static void store(const AmxBlock& b) { store_sums<kPanels>(b.sums, kSumBytes); }
};

template <typename Shape, int kPanels>
void run_block(const AmxBlock& b) {
  Shape::load(b);
  const char* w[kThinPanels];
  int64_t i = 0;
  for (; i + kDepth <= b.inputs; i += kDepth) {
    for (int p = 0; p < kPanels; ++p) w[p] = b.w[p] + i * kPanel * 2;
    Shape::add(b, w, i / kDepth);
    fetch(b.next_x, i / kDepth);
    for (int p = 0; p < kPanels; ++p) fetch(b.next_w[p], i / kDepth);
  }
  if (i < b.inputs) {  // fewer than fill a register: zeros behind
    alignas(64) char last[kPanels][kTileBytes] = {};
    for (int p = 0; p < kPanels; ++p) {
      memcpy(last[p], b.w[p] + i * kPanel * 2, static_cast<size_t>((b.inputs - i) * kPanel * 2));
      w[p] = last[p];
    }
    settle_memory();
    Shape::add(b, w, i / kDepth);
  }
  Shape::store(b);
}

using RunBlock = void (*)(const AmxBlock&);
constexpr RunBlock kTwoByTwo[] = {run_block<TwoByTwo<1>, 1>, run_block<TwoByTwo<2>, 2>};
constexpr RunBlock kOneByFour[] = {run_block<OneByFour<1>, 1>, run_block<OneByFour<2>, 2>,
                                   run_block<OneByFour<3>, 3>, run_block<OneByFour<4>, 4>};

// Where rows of x stand in a chunk's values: blocks of kSide rows, the last may have fewer, each
// [chunk / kDepth][rows][kDepth], so that a register is loaded from one piece.
inline int64_t rows_of_block(const MatmulOperands& op, int64_t row) {
  return least(op.rows - row / kSide * kSide, kSide);
}

void prepare_tiles(const MatmulOperands& op, int64_t row) {
  const int64_t in_block = row % kSide, block_rows = rows_of_block(op, row);
  for (int64_t first = 0; first < op.in; first += kDepth) {
    const int64_t chunk = first / op.chunk, step = first % op.chunk / kDepth;
    auto* to = static_cast<uint16_t*>(op.prepared.values) +
               (chunk * op.rows + row - in_block) * op.chunk +
               (step * block_rows + in_block) * kDepth;
    const float* from = op.x + row * op.x_stride + first;
    const int64_t count = least(op.in - first, kDepth);
    for (int64_t i = 0; i < count; ++i) to[i] = bf16_rounded(from[i]);
    for (int64_t i = count; i < kDepth; ++i) to[i] = 0;
  }
}

// All rows of the tile with one chunk of weights.
void add_chunk(const MatmulOperands& op, const MatmulTile& tile, int64_t chunk, float* sums) {
  const int64_t first = chunk * op.chunk, inputs = least(op.chunk, op.padded_in - first);
  const int64_t row_bytes = op.chunk * 2, steps = op.chunk / kDepth;
  const char* x =
      static_cast<const char*>(op.prepared.values) + (chunk * op.rows + tile.first_row) * row_bytes;
  const int64_t row_blocks = (tile.rows + kStepRows - 1) / kStepRows;
  for (int64_t row = 0; row < tile.rows; row += kStepRows) {
    const int64_t rows = least(tile.rows - row, kStepRows);
    const bool two = rows > kSide;
    if (row == 0 || rows < kStepRows) two ? shape_two_by_two(rows) : shape_one_by_four(rows);
    AmxBlock b = {};
    for (int64_t i = 0; i < (two ? 2 : 1); ++i) {
      b.x[i] = x + (row + i * kSide) * row_bytes;
      b.rows[i] = least(rows - i * kSide, kSide);
    }
    b.inputs = inputs;
    const int64_t width = two ? 2 : kThinPanels;
    b.next_x.lines = rows / ((tile.panels + width - 1) / width);
    for (int64_t panel = 0; panel < tile.panels; panel += width) {
      const int64_t panels = least(tile.panels - panel, width);
      b.next_x.from = b.x[0] + op.rows * row_bytes + panel / width * b.next_x.lines * row_bytes;
      for (int64_t p = 0; p < panels; ++p) {
        b.w[p] = panel_of(op, tile, panel + p) + first * kPanel * 2;
        b.next_w[p].lines = kSide / row_blocks;
        b.next_w[p].from =
            b.w[p] + inputs * kPanel * 2 + row / kStepRows * b.next_w[p].lines * steps * kLineBytes;
      }
      b.sums = sums + row * kStride + panel * kPanel;
      (two ? kTwoByTwo : kOneByFour)[panels - 1](b);
    }
  }
}

void compute_bf16_amx(const MatmulOperands& op, const MatmulTile& tile) {
  alignas(64) float sums[kTallRows * kStride];
  memset(sums, 0, static_cast<size_t>(tile.rows * kSumBytes));
  settle_memory();
  for (int64_t chunk = 0; chunk < op.chunks; ++chunk) add_chunk(op, tile, chunk, sums);
  _tile_release();
  settle_memory();
  finish(op, tile, sums, kStride);
}

}  // namespace

MatmulKernel matmul_kernel_amx_bf16(int) {
  return {prepare_tiles, compute_bf16_amx, kTallRows, kWidePanels};
}

}  // namespace tessera
