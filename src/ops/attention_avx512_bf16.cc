#include "ops/attention_lanes.h"
#include "ops/flush_denormals.h"
#include "ops/lanes_avx512_bf16.h"

namespace tessera {

void attend_avx512_bf16(const AttentionTile& tile) {
  const FlushDenormals flush;
  attend<PairsBf16>(tile);
}

}  // namespace tessera
