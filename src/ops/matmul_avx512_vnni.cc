#include "ops/matmul_blocks_avx512.h"

namespace tessera {
namespace {

struct DotVnni {
  static __m512i add(__m512i sum, __m512i w, __m512i x) { return _mm512_dpbusd_epi32(sum, w, x); }
};

}  // namespace

MatmulKernel matmul_kernel_avx512_vnni(int) {
  return {prepare_codes, compute_codes_avx512<DotVnni>};
}

}  // namespace tessera
