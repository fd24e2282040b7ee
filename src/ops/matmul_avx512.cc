#include <immintrin.h>

#include "ops/matmul_tile.h"

// Compiled for AVX-512 (see CMakeLists.txt): everything here has internal linkage, and nothing
// inline is taken from headers, so that no other file gets a function with these instructions.

namespace tessera {
namespace {

constexpr int64_t kLanes = 16;  // output rows of a panel

// The weights of one input for a panel's 16 outputs; bf16 is the upper half of an f32.
template <bool kBf16>
inline __m512 load(const void* w, int64_t index) {
  if constexpr (kBf16) {
    const auto* at = reinterpret_cast<const __m256i*>(static_cast<const uint16_t*>(w) + index);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_load_si256(at)), 16));
  } else {
    return _mm512_load_ps(static_cast<const float*>(w) + index);
  }
}

inline void finish(const MatmulOperands& op, int64_t row, int64_t panel, __m512 sum) {
  const int64_t first = panel * kLanes, left = op.out - first;
  const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xffff : (1 << left) - 1);
  float* y = op.y + row * op.y_stride + first;
  if (op.bias != nullptr) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, op.bias + first));
  if (op.add_to_y) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, y));
  _mm512_mask_storeu_ps(y, mask, sum);
}

// kRows x kPanels registers of sums; each is one fma chain over the inputs.
template <int kRows, int kPanels, bool kBf16>
void block(const MatmulOperands& op, int64_t row, int64_t panel) {
  const float* x = op.x + row * op.x_stride;
  const int64_t panel_size = op.in * kLanes, w = panel * panel_size;
  __m512 sums[kRows][kPanels];
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) sums[r][p] = _mm512_setzero_ps();

  for (int64_t i = 0; i < op.in; ++i) {
    __m512 weights[kPanels];
    for (int p = 0; p < kPanels; ++p)
      weights[p] = load<kBf16>(op.w, w + p * panel_size + i * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const __m512 from = _mm512_set1_ps(x[r * op.x_stride + i]);
      for (int p = 0; p < kPanels; ++p) sums[r][p] = _mm512_fmadd_ps(from, weights[p], sums[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) finish(op, row + r, panel + p, sums[r][p]);
}

using Block = void (*)(const MatmulOperands&, int64_t, int64_t);

// Register blocks by rows: 24 sums or fewer, several panels in flight for few rows.
constexpr int64_t kMaxRows = 12;
constexpr int64_t wide_panels(int64_t rows) {
  return rows <= 6 ? 4 : 2;
}

template <bool kBf16>
constexpr Block kWide[kMaxRows] = {block<1, 4, kBf16>,  block<2, 4, kBf16>,  block<3, 4, kBf16>,
                                   block<4, 4, kBf16>,  block<5, 4, kBf16>,  block<6, 4, kBf16>,
                                   block<7, 2, kBf16>,  block<8, 2, kBf16>,  block<9, 2, kBf16>,
                                   block<10, 2, kBf16>, block<11, 2, kBf16>, block<12, 2, kBf16>};
template <bool kBf16>
constexpr Block kNarrow[kMaxRows] = {block<1, 1, kBf16>,  block<2, 1, kBf16>,  block<3, 1, kBf16>,
                                     block<4, 1, kBf16>,  block<5, 1, kBf16>,  block<6, 1, kBf16>,
                                     block<7, 1, kBf16>,  block<8, 1, kBf16>,  block<9, 1, kBf16>,
                                     block<10, 1, kBf16>, block<11, 1, kBf16>, block<12, 1, kBf16>};

template <bool kBf16>
void compute(const MatmulOperands& op, const MatmulTile& tile) {
  const int64_t last_row = tile.first_row + tile.rows, last_panel = tile.first_panel + tile.panels;
  for (int64_t row = tile.first_row; row < last_row;) {
    const int64_t rows = last_row - row < kMaxRows ? last_row - row : kMaxRows;
    const int64_t step = wide_panels(rows);
    int64_t panel = tile.first_panel;
    for (; panel + step <= last_panel; panel += step) kWide<kBf16>[rows - 1](op, row, panel);
    for (; panel < last_panel; ++panel) kNarrow<kBf16>[rows - 1](op, row, panel);
    row += rows;
  }
}

}  // namespace

void matmul_tile_avx512(const MatmulOperands& op, const MatmulTile& tile) {
  if (op.bf16)
    compute<true>(op, tile);
  else
    compute<false>(op, tile);
}

}  // namespace tessera
