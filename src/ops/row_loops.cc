#include "ops/row_loops.h"

namespace tessera {

RowLoops row_loops(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
    case Isa::kAvx512Vnni:
    case Isa::kAvx512Bf16:
    case Isa::kAmx:
      return row_loops_avx512();
    case Isa::kAvx2:
      return row_loops_avx2();
    case Isa::kPlain:
      break;
  }
  return row_loops_plain();
}

}  // namespace tessera
