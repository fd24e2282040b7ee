#include "ops/row_loops.h"

namespace tessera {

RowLoops row_loops(Isa isa) {
  return widest(isa, row_loops_plain, row_loops_avx2, row_loops_avx512)();
}

}  // namespace tessera
