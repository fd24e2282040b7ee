#include <immintrin.h>

#include "ops/matmul_tile.h"

// Compiled for AVX2 and FMA (see CMakeLists.txt): everything here has internal linkage, and nothing
// inline is taken from headers, so that no other file gets a function with these instructions.

namespace tessera {
namespace {

constexpr int64_t kLanes = 8;
constexpr int64_t kPanel = 16;  // output rows of a panel: two registers

// The weights of one input for 8 outputs; bf16 is the upper half of an f32.
template <bool kBf16>
inline __m256 load(const void* w, int64_t index) {
  if constexpr (kBf16) {
    const auto* at = reinterpret_cast<const __m128i*>(static_cast<const uint16_t*>(w) + index);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_load_si128(at)), 16));
  } else {
    return _mm256_load_ps(static_cast<const float*>(w) + index);
  }
}

// The first `left` lanes (1 to 8, or more: all).
inline __m256i lanes_mask(int64_t left) {
  const auto count = static_cast<int>(left < kLanes ? left : kLanes);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline void finish(const MatmulOperands& op, int64_t row, int64_t first, __m256 sum) {
  if (first >= op.out) return;
  const __m256i mask = lanes_mask(op.out - first);
  float* y = op.y + row * op.y_stride + first;
  if (op.bias != nullptr) sum = _mm256_add_ps(sum, _mm256_maskload_ps(op.bias + first, mask));
  if (op.add_to_y) sum = _mm256_add_ps(sum, _mm256_maskload_ps(y, mask));
  _mm256_maskstore_ps(y, mask, sum);
}

// kRows x 2 kPanels registers of sums; each is one fma chain over the inputs.
template <int kRows, int kPanels, bool kBf16>
void block(const MatmulOperands& op, int64_t row, int64_t panel) {
  constexpr int kParts = 2 * kPanels;
  const float* x = op.x + row * op.x_stride;
  const int64_t panel_size = op.in * kPanel, w = panel * panel_size;
  __m256 sums[kRows][kParts];
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kParts; ++p) sums[r][p] = _mm256_setzero_ps();

  for (int64_t i = 0; i < op.in; ++i) {
    __m256 weights[kParts];
    for (int p = 0; p < kParts; ++p)
      weights[p] = load<kBf16>(op.w, w + p / 2 * panel_size + i * kPanel + p % 2 * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const __m256 from = _mm256_set1_ps(x[r * op.x_stride + i]);
      for (int p = 0; p < kParts; ++p) sums[r][p] = _mm256_fmadd_ps(from, weights[p], sums[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kParts; ++p)
      finish(op, row + r, (panel + p / 2) * kPanel + p % 2 * kLanes, sums[r][p]);
}

using Block = void (*)(const MatmulOperands&, int64_t, int64_t);

// Register blocks by rows: 12 sums or fewer, several panels in flight for few rows.
constexpr int64_t kMaxRows = 6;
constexpr int64_t kWidePanels[kMaxRows] = {4, 3, 2, 1, 1, 1};

template <bool kBf16>
constexpr Block kWide[kMaxRows] = {block<1, 4, kBf16>, block<2, 3, kBf16>, block<3, 2, kBf16>,
                                   block<4, 1, kBf16>, block<5, 1, kBf16>, block<6, 1, kBf16>};
template <bool kBf16>
constexpr Block kNarrow[kMaxRows] = {block<1, 1, kBf16>, block<2, 1, kBf16>, block<3, 1, kBf16>,
                                     block<4, 1, kBf16>, block<5, 1, kBf16>, block<6, 1, kBf16>};

template <bool kBf16>
void compute(const MatmulOperands& op, const MatmulTile& tile) {
  const int64_t last_row = tile.first_row + tile.rows, last_panel = tile.first_panel + tile.panels;
  for (int64_t row = tile.first_row; row < last_row;) {
    const int64_t rows = last_row - row < kMaxRows ? last_row - row : kMaxRows;
    const int64_t step = kWidePanels[rows - 1];
    int64_t panel = tile.first_panel;
    for (; panel + step <= last_panel; panel += step) kWide<kBf16>[rows - 1](op, row, panel);
    for (; panel < last_panel; ++panel) kNarrow<kBf16>[rows - 1](op, row, panel);
    row += rows;
  }
}

}  // namespace

void matmul_tile_avx2(const MatmulOperands& op, const MatmulTile& tile) {
  if (op.bf16)
    compute<true>(op, tile);
  else
    compute<false>(op, tile);
}

}  // namespace tessera
