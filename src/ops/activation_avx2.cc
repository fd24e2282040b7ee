#include "ops/activation_loops.h"

namespace tessera {

ActivationLoops activation_loops_avx2() {
  return kActivationLoops;
}

}  // namespace tessera
