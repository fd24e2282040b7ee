#include "ops/quantise.h"
#include "ops/quantise_loops.h"

namespace tessera {

uint16_t quantise_plain(const float* values, int bits, uint8_t* codes) {
  return quantise_loops(values, bits, codes);
}

}  // namespace tessera
