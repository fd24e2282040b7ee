#include "ops/attention_lanes.h"
#include "ops/lanes_avx2.h"

namespace tessera {

void attend_avx2(const AttentionTile& tile) {
  attend<LanesAvx2>(tile);
}

}  // namespace tessera
