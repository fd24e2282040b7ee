#include "ops/amx_tiles.h"
#include "ops/matmul_blocks_avx512.h"

// bf16 by AMX: one instruction adds the products of 16 rows of x and 16 outputs over 32 inputs. A
// panel lies as its second operand wants it ([inputs / 2][16][2]). Sums have an order of additions
// of its own (matmul_tile.h), so every number of rows goes through it.

namespace tessera {
namespace {

constexpr int64_t kDepth = kLineBytes / 2;          // inputs of a tile register
constexpr int64_t kTileBytes = kSide * kLineBytes;  // of weights
// A tile of y is large, as the multipliers are faster than memory: x and the weights come from
// beyond the L2 cache once in it. Chunk by chunk, two panels stay in the L1 cache while all rows
// pass, 32 at a time; the sums of 32 rows and two panels lie in one piece.
constexpr int64_t kTallRows = 256, kWidePanels = 8, kThinPanels = 4;
constexpr int64_t kBlockSums = 4 * kSide * kSide;  // of four registers
constexpr int64_t kBlocks = kTallRows / kStepRows * kWidePanels / 2;

/// What a block asks for while it multiplies.
struct Fetch {
  const char* from;
  int64_t lines, stride;  // with each tile of inputs; bytes from one to the next
};

/// One or two blocks of rows, some panels, one chunk.
struct AmxBlock {
  const char* x[2];
  int64_t rows[2];  // of each
  const char* w[kThinPanels];
  int64_t inputs;
  bool first;         // nothing has been added up yet
  const float* from;  // sums: [4][kSide][kSide]
  float* to;
  int64_t fetches;
  Fetch far[kThinPanels + 2], near;  // into the L2 and the L1 cache
};

template <int kHint>
void fetch(const Fetch& what, int64_t step) {
  const char* at = what.from + step * what.lines * what.stride;
  for (int64_t i = 0; i < what.lines; ++i)
    _mm_prefetch(at + i * what.stride, static_cast<_mm_hint>(kHint));
}

/// Two blocks of rows, one or two panels: sums of one block of rows, then of the other.
template <int kPanels>
struct TwoByTwo {
  static void load(const float* from) {
    _tile_loadd(0, from, kLineBytes);
    _tile_loadd(2, from + 2 * kSide * kSide, kLineBytes);
    if constexpr (kPanels == 2) {
      _tile_loadd(1, from + kSide * kSide, kLineBytes);
      _tile_loadd(3, from + 3 * kSide * kSide, kLineBytes);
    }
  }
  // x is loaded past the L1 cache, where the panels are to stay.
  static void add(const AmxBlock& b, const char* const (&w)[kThinPanels], int64_t step) {
    _tile_loadd(6, w[0], kLineBytes);
    _tile_stream_loadd(4, b.x[0] + step * kTileBytes, kLineBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kPanels == 2) {
      _tile_loadd(7, w[1], kLineBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stream_loadd(5, b.x[1] + step * b.rows[1] * kLineBytes, kLineBytes);
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (kPanels == 2) _tile_dpbf16ps(3, 5, 7);
  }
  static void store(float* to) {
    _tile_stored(0, to, kLineBytes);
    _tile_stored(2, to + 2 * kSide * kSide, kLineBytes);
    if constexpr (kPanels == 2) {
      _tile_stored(1, to + kSide * kSide, kLineBytes);
      _tile_stored(3, to + 3 * kSide * kSide, kLineBytes);
    }
  }
};

/// One block of rows, one to four panels.
template <int kPanels>
struct OneByFour {
  static void load(const float* from) {
    _tile_loadd(0, from, kLineBytes);
    if constexpr (kPanels > 1) _tile_loadd(1, from + kSide * kSide, kLineBytes);
    if constexpr (kPanels > 2) _tile_loadd(2, from + 2 * kSide * kSide, kLineBytes);
    if constexpr (kPanels > 3) _tile_loadd(3, from + 3 * kSide * kSide, kLineBytes);
  }
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
  static void store(float* to) {
    _tile_stored(0, to, kLineBytes);
    if constexpr (kPanels > 1) _tile_stored(1, to + kSide * kSide, kLineBytes);
    if constexpr (kPanels > 2) _tile_stored(2, to + 2 * kSide * kSide, kLineBytes);
    if constexpr (kPanels > 3) _tile_stored(3, to + 3 * kSide * kSide, kLineBytes);
  }
};

template <typename Shape, int kPanels>
void run_block(const AmxBlock& b) {
  b.first ? zero_sums<4>() : Shape::load(b.from);
  const char* w[kThinPanels];
  int64_t i = 0;
  for (; i + kDepth <= b.inputs; i += kDepth) {
    for (int p = 0; p < kPanels; ++p) w[p] = b.w[p] + i * kPanel * 2;
    Shape::add(b, w, i / kDepth);
    for (int64_t f = 0; f < b.fetches; ++f) fetch<_MM_HINT_T1>(b.far[f], i / kDepth);
    fetch<_MM_HINT_T0>(b.near, i / kDepth);
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
  Shape::store(b.to);
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

/// Rows that go through the same registers, `step` at a time: whole steps, or what is left of one.
struct Band {
  int64_t first, rows, step;
  bool alone;   // no other rows of the tile take the weights
  float* sums;  // [panels / width][rows / step][kBlockSums]

  bool two() const { return step > kSide; }
  int64_t width() const { return two() ? 2 : kThinPanels; }
};

/// The tile's panels in the order in which blocks take them: with swiglu each gate's is followed by
/// its up's, so that a block has both. Where the p-th one's values go in y, and its weights.
inline int64_t panel_of_y(const MatmulOperands& op, const MatmulTile& tile, int64_t p) {
  return tile.first_panel + (op.swiglu != nullptr ? p / 2 : p);
}
inline const char* weights_of(const MatmulOperands& op, const MatmulTile& tile, int64_t p) {
  const int64_t up = op.swiglu != nullptr && p % 2 != 0 ? op.first_up : 0;
  return static_cast<const char*>(op.w) + (panel_of_y(op, tile, p) + up) * op.panel_bytes;
}

/// Writes the values of a block: `rows` of the tile from `row` on, some of its panels.
void finish_block(const MatmulOperands& op, const MatmulTile& tile, int64_t row, int64_t rows,
                  int64_t panel, int64_t panels, bool two, float* sums) {
  for (int64_t p = 0; p < panels; p += op.swiglu != nullptr ? 2 : 1)
    for (int64_t r = 0; r < rows; r += kSide) {
      const MatmulTile part = {tile.first_row + row + r, least(rows - r, kSide),
                               panel_of_y(op, tile, panel + p), 1};
      float* values = sums + (two ? r / kSide * 2 + p : p) * kSide * kSide;
      if (op.swiglu != nullptr)
        op.swiglu(values, values + kSide * kSide, values, part.rows * kSide);
      finish_values(op, part, values, kSide);
    }
}

/// One chunk of a band, and how it asks for what comes next. Whole steps of rows ask for the next
/// two panels, of this chunk or the first of the next one, each step for a share, and every second
/// line of it, as lines come in pairs; for their rows of the next chunk of x, or at the end for
/// where y is written; and for the next sums. Rows that have the tile to themselves ask for the
/// same panels' next chunk.
struct ChunkPass {
  ChunkPass(const MatmulOperands& op, const MatmulTile& tile, const Band& band, int64_t number)
      : chunk(number),
        last(number + 1 == op.chunks),
        steps(op.chunk / kDepth),
        w_lines((kSide / 2 + band.rows / band.step - 1) / (band.rows / band.step)),
        x_lines((band.step * band.width() + tile.panels - 1) / tile.panels),
        y_lines((kStepRows + steps - 1) / steps),
        sum_lines((kBlockSums * 4 / kLineBytes + steps - 1) / steps) {}

  void plan(const MatmulOperands& op, const MatmulTile& tile, const Band& band, int64_t strip,
            int64_t panel, int64_t panels, AmxBlock& b) const {
    const int64_t chunk_bytes = op.chunk * kPanel * 2;
    b.fetches = 0;
    if (band.rows < kStepRows) {
      for (int64_t p = 0; band.alone && p < panels; ++p)
        b.far[b.fetches++] = {b.w[p] + chunk_bytes, kSide, kLineBytes};
    } else {
      const bool wraps = panel + 2 >= tile.panels;
      const int64_t next = wraps ? 0 : panel + 2;
      const int64_t at =
          (wraps ? chunk + 1 : chunk) * chunk_bytes + strip * w_lines * steps * 2 * kLineBytes;
      for (int64_t p = 0; p < 2 && !(wraps && last) && strip * w_lines < kSide / 2; ++p)
        b.far[b.fetches++] = {weights_of(op, tile, next + p) + at, w_lines, 2 * kLineBytes};
    }
    if (!last) {
      const int64_t before = panel / band.width() * x_lines * steps;
      b.far[b.fetches++] = {b.x[0] + op.rows * op.chunk * 2 + before * kLineBytes, x_lines,
                            kLineBytes};
    } else if (band.rows >= kStepRows) {
      const float* y = op.y + (tile.first_row + strip * kStepRows) * op.y_stride +
                       panel_of_y(op, tile, panel) * kPanel;
      for (int64_t p = 0; p < 2; ++p)
        b.far[b.fetches++] = {reinterpret_cast<const char*>(y + p * kPanel), y_lines,
                              op.y_stride * static_cast<int64_t>(sizeof(float))};
    }
    if (band.rows >= kStepRows && op.chunks > 1)
      b.near = {reinterpret_cast<const char*>(b.from + kBlockSums), sum_lines, kLineBytes};
  }

  const int64_t chunk;
  const bool last;
  const int64_t steps;
  const int64_t w_lines, x_lines, y_lines, sum_lines;  // with each step of inputs
};

// All rows of the band with one chunk of weights.
void add_chunk(const MatmulOperands& op, const MatmulTile& tile, const Band& band, int64_t chunk) {
  const ChunkPass pass(op, tile, band, chunk);
  const int64_t first = chunk * op.chunk, row_bytes = op.chunk * 2;
  const char* x = static_cast<const char*>(op.prepared.values) +
                  (chunk * op.rows + tile.first_row + band.first) * row_bytes;
  alignas(64) float whole[kBlockSums];
  float* sums = band.sums;
  band.two() ? shape_two_by_two(band.step) : shape_one_by_four(band.step);
  AmxBlock b = {};
  b.rows[0] = least(band.step, kSide);
  b.rows[1] = band.step - b.rows[0];
  b.inputs = least(op.chunk, op.padded_in - first);
  b.first = chunk == 0;
  for (int64_t panel = 0; panel < tile.panels; panel += band.width()) {
    const int64_t panels = least(tile.panels - panel, band.width());
    for (int64_t p = 0; p < panels; ++p)
      b.w[p] = weights_of(op, tile, panel + p) + first * kPanel * 2;
    for (int64_t row = 0, strip = 0; row < band.rows; row += band.step, ++strip) {
      b.x[0] = x + row * row_bytes;
      b.x[1] = b.x[0] + kSide * row_bytes;
      b.from = sums;
      b.to = pass.last ? whole : sums;
      pass.plan(op, tile, band, strip, panel, panels, b);
      (band.two() ? kTwoByTwo : kOneByFour)[panels - 1](b);
      settle_memory();
      if (pass.last)
        finish_block(op, tile, band.first + row, band.step, panel, panels, band.two(), whole);
      sums += kBlockSums;
    }
  }
}

void compute_bf16_amx(const MatmulOperands& op, const MatmulTile& tile) {
  alignas(64) float sums[kBlocks * kBlockSums];
  const int64_t rest = tile.rows % kStepRows, whole = tile.rows - rest;
  const Band most = {0, whole, kStepRows, true, sums};
  const Band least_rows = {whole, rest, rest, whole == 0,
                           sums + whole / kStepRows * ((tile.panels + 1) / 2) * kBlockSums};
  for (int64_t chunk = 0; chunk < op.chunks; ++chunk) {
    if (whole > 0) add_chunk(op, tile, most, chunk);
    if (rest > 0) add_chunk(op, tile, least_rows, chunk);
  }
  _tile_release();
}

}  // namespace

MatmulKernel matmul_kernel_amx_bf16(int) {
  return {.prepare = prepare_tiles,
          .compute = compute_bf16_amx,
          .tile_rows = kTallRows,
          .tile_panels = kWidePanels,
          .row_step = kStepRows,
          .share_rows = kTallRows};
}

}  // namespace tessera
