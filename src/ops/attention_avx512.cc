#include "ops/attention_lanes.h"
#include "ops/lanes_avx512.h"

namespace tessera {

void attend_avx512(const AttentionTile& tile) {
  attend<LanesAvx512>(tile);
}

}  // namespace tessera
