#include "ops/quantise.h"

#include "base/isa.h"

namespace tessera {

void quantise(const float* values, int bits, uint8_t* codes, uint16_t* scales) {
  static const bool wide = best_isa() >= Isa::kAvx512;
  (wide ? quantise_avx512 : quantise_plain)(values, bits, codes, scales);
}

void rotate(float* values, int64_t inputs) {
  static const bool wide = best_isa() >= Isa::kAvx512;
  (wide ? rotate_avx512 : rotate_plain)(values, inputs);
}

}  // namespace tessera
