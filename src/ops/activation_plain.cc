#include "ops/activation_loops.h"

namespace tessera {

ActivationLoops activation_loops_plain() {
  return kActivationLoops;
}

}  // namespace tessera
