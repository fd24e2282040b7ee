#include "ops/quantise.h"
#include "ops/quantise_loops.h"

namespace tessera {

void rotate_plain(float* values, int64_t inputs) {
  rotate_loops(values, inputs);
}

void quantise_plain(const float* values, int bits, uint8_t* codes, uint16_t* scales) {
  quantise_loops(values, bits, codes, scales);
}

}  // namespace tessera
