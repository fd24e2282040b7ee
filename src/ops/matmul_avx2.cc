#include <immintrin.h>

#include "ops/flush_denormals.h"
#include "ops/matmul_loops.h"
#include "ops/prepare_rows.h"

// Compiled for AVX2 and FMA (see CMakeLists.txt): everything here has internal linkage, and nothing
// inline is taken from headers, so that no other file gets a function with these instructions.

namespace tessera {
namespace {

constexpr int64_t kLanes = 8;  // half a panel

template <int kRows>
void load_sums(const ChunkBlock& b, __m256 (&sums)[kRows][2]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_load_ps(b.sums + r * kSumStride + h * kLanes);
}
template <int kRows>
void store_sums(const ChunkBlock& b, const __m256 (&sums)[kRows][2]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int h = 0; h < 2; ++h) _mm256_store_ps(b.sums + r * kSumStride + h * kLanes, sums[r][h]);
}

// Four bytes of a prepared row: two bf16, or four codes.
inline __m256i word(const void* x) {
  int32_t bits;
  memcpy(&bits, x, sizeof(bits));
  return _mm256_set1_epi32(bits);
}
inline __m256 odd_of(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
}
inline __m256 even_of(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

template <int kRows>
void block_f32(const ChunkBlock& b) {
  __m256 sums[kRows][2];
  load_sums(b, sums);
  const auto* x = static_cast<const float*>(b.x);
  const auto* w = static_cast<const float*>(b.w[0]);
  for (int64_t i = 0; i < b.inputs; ++i) {
    const __m256 weights[2] = {_mm256_load_ps(w + i * kPanel),
                               _mm256_load_ps(w + i * kPanel + kLanes)};
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256 from = _mm256_set1_ps(x[r * b.x_stride + i]);
#pragma GCC unroll 8
      for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_fmadd_ps(from, weights[h], sums[r][h]);
    }
  }
  store_sums(b, sums);
}

template <int kRows>
void block_bf16(const ChunkBlock& b) {
  __m256 sums[kRows][2];
  load_sums(b, sums);
  const auto* x = static_cast<const uint16_t*>(b.x);
  const auto* w = static_cast<const uint16_t*>(b.w[0]);
  for (int64_t i = 0; i < b.inputs; i += 2)
#pragma GCC unroll 8
    for (int h = 0; h < 2; ++h) {
      const auto* at = reinterpret_cast<const __m256i*>(w + i * kPanel + h * 2 * kLanes);
      const __m256i weights = _mm256_load_si256(at);
      const __m256 odd = odd_of(weights), even = even_of(weights);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i from = word(x + r * b.x_stride + i);
        sums[r][h] = _mm256_fmadd_ps(odd_of(from), odd, sums[r][h]);
        sums[r][h] = _mm256_fmadd_ps(even_of(from), even, sums[r][h]);
      }
    }
  store_sums(b, sums);
}

// sum + the products of four unsigned and four signed bytes. In pairs they would not fit in 16 bits
// at 8 bits a code, so the codes' top bit goes apart.
inline __m256i add_dots(__m256i sum, __m256i low, __m256i top, __m256i x) {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i low_sum = _mm256_madd_epi16(_mm256_maddubs_epi16(low, x), ones);
  const __m256i top_sum = _mm256_madd_epi16(_mm256_maddubs_epi16(top, x), ones);
  return _mm256_add_epi32(sum, _mm256_add_epi32(low_sum, _mm256_slli_epi32(top_sum, 7)));
}

template <int kRows>
void block_codes(const ChunkBlock& b) {
  __m256 sums[kRows][2];
  load_sums(b, sums);
  const auto* x = static_cast<const int8_t*>(b.x);
  const auto* w = static_cast<const unsigned char*>(b.w[0]);
  for (int64_t first = 0, g = 0; first < b.inputs; first += b.group, ++g) {
    __m256i whole[kRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int h = 0; h < 2; ++h)
        whole[r][h] = _mm256_set1_epi32(-b.zero * b.x_sums[g * b.rows + r]);
    for (int64_t i = first; i < least(b.inputs, first + b.group); i += 4)
#pragma GCC unroll 8
      for (int h = 0; h < 2; ++h) {
        const auto* at = reinterpret_cast<const __m256i*>(w + i * kPanel + h * 4 * kLanes);
        const __m256i codes = _mm256_load_si256(at);
        const __m256i low = _mm256_and_si256(codes, _mm256_set1_epi8(127));
        const __m256i top = _mm256_and_si256(_mm256_srli_epi16(codes, 7), _mm256_set1_epi8(1));
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          whole[r][h] = add_dots(whole[r][h], low, top, word(x + r * b.x_stride + i));
      }
#pragma GCC unroll 8
    for (int h = 0; h < 2; ++h) {
      const auto* at = reinterpret_cast<const __m128i*>(b.w_scales[0] + g * kPanel + h * kLanes);
      const __m256 w_scale = even_of(_mm256_cvtepu16_epi32(_mm_loadu_si128(at)));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(b.x_scales[g * b.rows + r]), w_scale);
        sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[r][h]), scale, sums[r][h]);
      }
    }
  }
  store_sums(b, sums);
}

void spread(const unsigned char* from, int bits, int64_t inputs, unsigned char* to) {
  const __m256i low = _mm256_set1_epi8(15);
  const unsigned char* planes = from + inputs * kPanel / 2;
  // Byte b of a register looks at bit b % 8 of byte b / 8 of a plane's 32 bits.
  const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                           2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i bit_of = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL));
  for (int64_t i = 0; i < inputs; i += 8)
#pragma GCC unroll 8
    for (int h = 0; h < 2; ++h) {
      const auto* at = reinterpret_cast<const __m256i*>(from + i * kPanel / 2 + h * 32);
      const __m256i both = _mm256_load_si256(at);
      __m256i codes[2] = {_mm256_and_si256(both, low),
                          _mm256_and_si256(_mm256_srli_epi16(both, 4), low)};
      for (int bit = 4; bit < bits; ++bit)
#pragma GCC unroll 8
        for (int half = 0; half < 2; ++half) {
          const __m256i bits32 = word(planes + (bit - 4) * inputs * 2 + i * 2 + half * 8 + h * 4);
          const __m256i picked = _mm256_and_si256(_mm256_shuffle_epi8(bits32, byte_of), bit_of);
          const __m256i set = _mm256_cmpeq_epi8(picked, bit_of);
          const __m256i value = _mm256_set1_epi8(static_cast<char>(1 << bit));
          codes[half] = _mm256_or_si256(codes[half], _mm256_and_si256(set, value));
        }
#pragma GCC unroll 8
      for (int half = 0; half < 2; ++half)
        _mm256_store_si256(reinterpret_cast<__m256i*>(to + i * kPanel + half * 64 + h * 32),
                           codes[half]);
    }
}

// Blocks of one panel: two registers a row.
constexpr BlockTable kF32 = {
    .rows = 6,
    .step = 6,
    .panels = {1, 1, 1, 1, 1, 1},
    .wide = {block_f32<1>, block_f32<2>, block_f32<3>, block_f32<4>, block_f32<5>, block_f32<6>}};
constexpr BlockTable kBf16 = {
    .rows = 5,
    .step = 5,
    .panels = {1, 1, 1, 1, 1},
    .wide = {block_bf16<1>, block_bf16<2>, block_bf16<3>, block_bf16<4>, block_bf16<5>}};
constexpr BlockTable kCodes = {
    .rows = 4,
    .step = 4,
    .panels = {1, 1, 1, 1},
    .wide = {block_codes<1>, block_codes<2>, block_codes<3>, block_codes<4>}};

}  // namespace

MatmulKernel matmul_kernel_avx2(int bits) {
  if (bits == 32)
    return {prepare_f32, [](const MatmulOperands& op, const MatmulTile& tile) {
              compute_floats(op, tile, kF32);
            }};
  if (bits == 16)
    return {prepare_bf16, [](const MatmulOperands& op, const MatmulTile& tile) {
              compute_floats<FlushDenormals>(op, tile, kBf16);
            }};
  return {prepare_codes, [](const MatmulOperands& op, const MatmulTile& tile) {
            compute_codes(op, tile, kCodes, op.bits == 8 ? nullptr : spread);
          }};
}

}  // namespace tessera
