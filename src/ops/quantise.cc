#include "ops/quantise.h"

#include "base/isa.h"

namespace tessera {

uint16_t quantise(const float* values, int bits, uint8_t* codes) {
  static const bool wide = best_isa() >= Isa::kAvx512;
  return (wide ? quantise_avx512 : quantise_plain)(values, bits, codes);
}

}  // namespace tessera
