#include <immintrin.h>

#include "image/resample_kernels.h"

// Compiled for AVX2 (see CMakeLists.txt): everything here has internal linkage, and nothing inline
// is taken from headers, so that no other file gets a function with these instructions.

namespace tessera {
namespace {

constexpr int32_t kHalf = 1 << (kWeightBits - 1);
constexpr int64_t kLanes = 8;

/// 8 bytes as 8 numbers.
inline __m256i load_bytes(const uint8_t* at) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
}

/// Rounds (kHalf is in the sums already), clips, and stores 8 bytes.
inline void store_bytes(__m256i sum, uint8_t* at) {
  const __m256i shifted = _mm256_srai_epi32(sum, kWeightBits);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(at), _mm_packus_epi16(words, words));
}

/// kParts x 8 sums over the taps: sums[p] += weights[t] * bytes at(t) + 8 p.
template <int kParts, typename At>
inline void accumulate(__m256i* sums, const int32_t* weights, int64_t count, const At& at) {
  for (int64_t t = 0; t < count; ++t) {
    const __m256i weight = _mm256_set1_epi32(weights[t]);
    const uint8_t* bytes = at(t);
    for (int p = 0; p < kParts; ++p)
      sums[p] =
          _mm256_add_epi32(sums[p], _mm256_mullo_epi32(weight, load_bytes(bytes + p * kLanes)));
  }
}

template <int kParts>
inline void blend(const RowPass& pass, int64_t start) {
  __m256i sums[kParts];
  for (__m256i& sum : sums) sum = _mm256_set1_epi32(kHalf);
  accumulate<kParts>(sums, pass.weights, pass.count,
                     [&](int64_t t) { return pass.rows[t] + start; });
  for (int p = 0; p < kParts; ++p) store_bytes(sums[p], pass.out + start + p * kLanes);
}

}  // namespace

void narrow_tile_avx2(const TilePass& pass) {
  constexpr int kParts = 3;
  static_assert(kResampleColumn == kParts * kLanes);
  __m256i ground[kParts];  // the ground's colour, again and again
  uint8_t bytes[kResampleColumn];
  for (int64_t j = 0; j < kResampleColumn; ++j) bytes[j] = pass.ground[j % 3];
  for (int p = 0; p < kParts; ++p) ground[p] = load_bytes(bytes + p * kLanes);

  for (int64_t i = 0; i < pass.outputs; ++i) {
    const Taps::Range& range = pass.ranges[i];
    const __m256i outside = _mm256_set1_epi32(range.outside);
    __m256i sums[kParts];
    for (int p = 0; p < kParts; ++p)
      sums[p] = _mm256_add_epi32(_mm256_set1_epi32(kHalf), _mm256_mullo_epi32(outside, ground[p]));
    accumulate<kParts>(sums, pass.weights + range.offset, range.count, [&](int64_t t) {
      return pass.tile + (range.first + t - pass.origin) * kResampleColumn;
    });
    for (int p = 0; p < kParts; ++p) store_bytes(sums[p], bytes + p * kLanes);
    for (int64_t r = 0; r < pass.rows; ++r)
      for (int64_t c = 0; c < 3; ++c) pass.out[r * pass.out_stride + i * 3 + c] = bytes[r * 3 + c];
  }
}

void blend_rows_avx2(const RowPass& pass) {
  constexpr int kParts = 8;
  constexpr int64_t kChunk = kParts * kLanes;
  if (pass.bytes < kChunk) return blend_rows_plain(pass);
  int64_t start = 0;
  for (; start + kChunk <= pass.bytes; start += kChunk) blend<kParts>(pass, start);
  // The rest once more with some that are done: the same bytes are stored twice.
  if (start < pass.bytes) blend<kParts>(pass, pass.bytes - kChunk);
}

}  // namespace tessera
