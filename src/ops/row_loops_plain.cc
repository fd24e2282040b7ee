#include "ops/row_loops.h"

namespace tessera {

RowLoops row_loops_plain() {
  return kRowLoops;
}

}  // namespace tessera
