#include "ops/row_loops.h"

namespace tessera {

RowLoops row_loops_avx2() {
  return kRowLoops;
}

}  // namespace tessera
