#include "ops/flush_denormals.h"
#include "ops/matmul_blocks_avx512.h"

namespace tessera {
namespace {

// Unsigned times signed bytes in pairs would not fit in 16 bits at 8 bits a code, so the codes' top
// bit goes apart.
struct DotByPairs {
  static void add(__m512i& sum, __m512i w, __m512i x) {
    const __m512i low = _mm512_and_si512(w, _mm512_set1_epi8(127));
    const __m512i top = _mm512_and_si512(_mm512_srli_epi16(w, 7), _mm512_set1_epi8(1));
    const __m512i ones = _mm512_set1_epi16(1);
    const __m512i low_sum = _mm512_madd_epi16(_mm512_maddubs_epi16(low, x), ones);
    const __m512i top_sum = _mm512_madd_epi16(_mm512_maddubs_epi16(top, x), ones);
    sum = _mm512_add_epi32(sum, _mm512_add_epi32(low_sum, _mm512_slli_epi32(top_sum, 7)));
  }
};

}  // namespace

MatmulKernel matmul_kernel_avx512(int bits) {
  MatmulKernel kernel = {prepare_codes, compute_codes_avx512<DotByPairs>};
  if (bits == 32) kernel = {prepare_f32, compute_floats_avx512<WholeF32>};
  if (bits == 16) kernel = {prepare_bf16, compute_floats_avx512<PairsByHalves, FlushDenormals>};
  kernel.one_chunk_rows = bits < 16 ? kCodeRows : kFloatRows;
  return kernel;
}

}  // namespace tessera
