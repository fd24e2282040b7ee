#include "ops/dot_vnni.h"
#include "ops/matmul_blocks_avx512.h"

namespace tessera {

MatmulKernel matmul_kernel_avx512_vnni(int) {
  return {prepare_codes, compute_codes_avx512<DotVnni>};
}

}  // namespace tessera
