#include "ops/matmul_blocks_avx512.h"

namespace tessera {
namespace {

// Adds the odd products first, then the even ones, each with a rounding of its own; measured on
// Zen 4 to be exactly that, and so documented by Intel.
struct PairsBf16 {
  static constexpr int64_t kPerWord = 2;
  static __m512 add(__m512 sum, __m512i x, __m512i w) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};

}  // namespace

MatmulKernel matmul_kernel_avx512_bf16(int) {
  return {.prepare = prepare_bf16,
          .compute = compute_floats_avx512<PairsBf16>,
          .wide_chunks = true,
          .one_chunk_rows = kFloatRows};
}

}  // namespace tessera
