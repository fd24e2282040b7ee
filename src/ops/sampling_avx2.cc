#include "ops/sampling_loops.h"

namespace tessera {

SamplingLoops sampling_loops_avx2() {
  return kSamplingLoops;
}

}  // namespace tessera
