#include "ops/sampling_loops.h"

namespace tessera {

SamplingLoops sampling_loops_avx512() {
  return kSamplingLoops;
}

}  // namespace tessera
