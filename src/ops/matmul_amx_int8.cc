#include "ops/amx_tiles.h"
#include "ops/dot_vnni.h"
#include "ops/matmul_blocks_avx512.h"

// Integers by AMX: a tile register holds 16 rows of 64 bytes, and one instruction adds the products
// of 16 rows of x and 16 outputs over 64 inputs. A panel's bytes lie as its second operand wants
// them ([inputs / 4][16][4]), and sums of integers are exact, so the bits are those of VNNI.

namespace tessera {
namespace {

constexpr int64_t kDepth = kLineBytes;  // inputs of a tile register
// Below, an instruction's time is spent on rows that are not there.
constexpr int64_t kFewestRows = 6, kFewestSpreadRows = 12;

/// Some rows, one or two panels, one chunk.
struct AmxBlock {
  const int8_t* x;
  int64_t x_stride;
  const unsigned char* w[2];
  const uint16_t* w_scales[2];
  const float* x_scales;  // [groups][rows]
  const int32_t* x_sums;
  int64_t scale_stride;
  int64_t inputs, group;
  int32_t zero;
  int64_t rows;
  float* sums;  // [rows][kSumStride]
};

// Sums of codes' products of one group, [row][16] of each register.
struct alignas(64) Whole {
  int32_t of[4][kSide * kSide];
};

template <bool kTwoRows, bool kTwoPanels>
void multiply(const int8_t* x, int64_t x_stride, const unsigned char* w0, const unsigned char* w1) {
  _tile_loadd(6, w0, kDepth);
  _tile_loadd(4, x, x_stride);
  _tile_dpbsud(0, 4, 6);
  if constexpr (kTwoPanels) {
    _tile_loadd(7, w1, kDepth);
    _tile_dpbsud(1, 4, 7);
  }
  if constexpr (kTwoRows) {
    _tile_loadd(5, x + kSide * x_stride, x_stride);
    _tile_dpbsud(2, 5, 6);
    if constexpr (kTwoPanels) _tile_dpbsud(3, 5, 7);
  }
}

// The last inputs of a group that are not a whole register of them: with zeros behind.
template <bool kTwoRows, bool kTwoPanels>
void multiply_rest(const AmxBlock& b, int64_t first, int64_t inputs) {
  alignas(64) int8_t x[kStepRows * kDepth] = {};
  alignas(64) unsigned char w[2][kSide * kDepth] = {};
  for (int64_t r = 0; r < b.rows; ++r)
    memcpy(x + r * kDepth, b.x + r * b.x_stride + first, static_cast<size_t>(inputs));
  for (int p = 0; p < (kTwoPanels ? 2 : 1); ++p)
    memcpy(w[p], b.w[p] + first * kPanel, static_cast<size_t>(inputs * kPanel));
  settle_memory();
  multiply<kTwoRows, kTwoPanels>(x, kDepth, w[0], w[1]);
}

template <bool kTwoRows, bool kTwoPanels>
void sum_group(const AmxBlock& b, int64_t first, int64_t inputs, Whole& whole) {
  _tile_zero(0);
  if constexpr (kTwoPanels) _tile_zero(1);
  if constexpr (kTwoRows) _tile_zero(2);
  if constexpr (kTwoRows && kTwoPanels) _tile_zero(3);
  int64_t i = 0;
  for (; i + kDepth <= inputs; i += kDepth)
    multiply<kTwoRows, kTwoPanels>(b.x + first + i, b.x_stride, b.w[0] + (first + i) * kPanel,
                                   kTwoPanels ? b.w[1] + (first + i) * kPanel : nullptr);
  if (i < inputs) multiply_rest<kTwoRows, kTwoPanels>(b, first + i, inputs - i);
  _tile_stored(0, whole.of[0], kDepth);
  if constexpr (kTwoPanels) _tile_stored(1, whole.of[1], kDepth);
  if constexpr (kTwoRows) _tile_stored(2, whole.of[2], kDepth);
  if constexpr (kTwoRows && kTwoPanels) _tile_stored(3, whole.of[3], kDepth);
}

template <int kPanels>
void add_scaled(const AmxBlock& b, int64_t group, const Whole& whole) {
  __m512 w_scale[kPanels];
  for (int p = 0; p < kPanels; ++p) {
    const auto* at = reinterpret_cast<const __m256i*>(b.w_scales[p] + group * kPanel);
    w_scale[p] = even_of(_mm512_cvtepu16_epi32(_mm256_loadu_si256(at)));
  }
  const float* x_scales = b.x_scales + group * b.scale_stride;
  const int32_t* x_sums = b.x_sums + group * b.scale_stride;
  for (int64_t r = 0; r < b.rows; ++r) {
    const __m512i offset = _mm512_set1_epi32(-b.zero * x_sums[r]);
    const __m512 x_scale = all_of(x_scales + r);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const int32_t* from = whole.of[r / kSide * 2 + p] + r % kSide * kSide;
      float* sum = b.sums + r * kSumStride + p * kPanel;
      const __m512 exact = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_load_si512(from), offset));
      _mm512_store_ps(
          sum, _mm512_fmadd_ps(exact, _mm512_mul_ps(x_scale, w_scale[p]), _mm512_load_ps(sum)));
    }
  }
}

template <bool kTwoRows, bool kTwoPanels>
void run_block(const AmxBlock& b) {
  // Two, so that the next group is multiplied while this one is scaled.
  Whole whole[2];
  int64_t g = 0;
  for (int64_t first = 0; first < b.inputs; first += b.group, ++g) {
    sum_group<kTwoRows, kTwoPanels>(b, first, least(b.inputs - first, b.group), whole[g % 2]);
    if (g > 0) add_scaled<kTwoPanels ? 2 : 1>(b, g - 1, whole[(g - 1) % 2]);
  }
  add_scaled<kTwoPanels ? 2 : 1>(b, g - 1, whole[(g - 1) % 2]);
}

void run_amx(const AmxBlock& b, bool two_panels) {
  if (b.rows > kSide)
    two_panels ? run_block<true, true>(b) : run_block<true, false>(b);
  else
    two_panels ? run_block<false, true>(b) : run_block<false, false>(b);
}

// All rows of the tile with one chunk of weights.
void compute_chunk_amx(const MatmulOperands& op, const MatmulTile& tile, const ChunkBlock& chunk,
                       int64_t first_input, float* sums) {
  settle_memory();  // the spread codes
  const int64_t before = first_input / op.chunk * op.rows + tile.first_row;
  const int64_t line = first_input / op.group * op.rows + tile.first_row;
  pass_rows(op, tile, first_input, kStepRows, sums, [&](int64_t row, int64_t rows) {
    AmxBlock b = {.x = static_cast<const int8_t*>(op.prepared.values) + (before + row) * op.chunk,
                  .x_stride = op.chunk,
                  .w = {},
                  .w_scales = {},
                  .x_scales = op.prepared.scales + line + row,
                  .x_sums = op.prepared.sums + line + row,
                  .scale_stride = op.rows,
                  .inputs = chunk.inputs,
                  .group = op.group,
                  .zero = chunk.zero,
                  .rows = rows,
                  .sums = nullptr};
    if (row == 0 || b.rows < kStepRows) shape_two_by_two(b.rows);
    for (int64_t panel = 0; panel < tile.panels; panel += 2) {
      const bool two = panel + 1 < tile.panels;
      for (int64_t p = 0; p < (two ? 2 : 1); ++p) {
        b.w[p] = static_cast<const unsigned char*>(chunk.w[panel + p]);
        b.w_scales[p] = chunk.w_scales[panel + p];
      }
      b.sums = sums + row * kSumStride + panel * kPanel;
      run_amx(b, two);
    }
  });
}

void compute_codes_amx(const MatmulOperands& op, const MatmulTile& tile) {
  if (tile.rows < (op.bits == 8 ? kFewestRows : kFewestSpreadRows))
    return compute_codes_avx512<DotVnni>(op, tile);
  walk_codes(op, tile, op.bits == 8 ? nullptr : spread,
             [&](const ChunkBlock& chunk, int64_t first_input, float* sums) {
               compute_chunk_amx(op, tile, chunk, first_input, sums);
             });
  _tile_release();
}

}  // namespace

MatmulKernel matmul_kernel_amx_int8(int) {
  // Tiles and threads as they were measured: shares of rows were not, with AMX.
  return {.prepare = prepare_codes,
          .compute = compute_codes_amx,
          .tile_rows = 3 * kStepRows,
          .row_step = kStepRows,
          .share_rows = 8 * kStepRows,
          .one_chunk_rows = kFewestRows - 1};
}

}  // namespace tessera
