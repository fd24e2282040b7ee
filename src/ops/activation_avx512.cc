#include "ops/activation_loops.h"

namespace tessera {

ActivationLoops activation_loops_avx512() {
  return kActivationLoops;
}

}  // namespace tessera
