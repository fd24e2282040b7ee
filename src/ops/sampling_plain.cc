#include "ops/sampling_loops.h"

namespace tessera {

SamplingLoops sampling_loops_plain() {
  return kSamplingLoops;
}

}  // namespace tessera
