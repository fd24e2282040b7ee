#include "ops/dot_vnni.h"
#include "ops/matmul_blocks_avx512.h"

namespace tessera {

MatmulKernel matmul_kernel_avx512_vnni(int) {
  return {.prepare = prepare_codes,
          .compute = compute_codes_avx512<DotVnni>,
          .one_chunk_rows = kCodeRows};
}

}  // namespace tessera
