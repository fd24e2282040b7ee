#include "ops/attention_codes.h"
#include "ops/attention_lanes.h"
#include "ops/flush_denormals.h"
#include "ops/lanes_avx2.h"

namespace tessera {

void attend_avx2(const AttentionTile& tile) {
  if (tile.from.format == KvFormat::kInt8) return attend_codes<CodesAvx2>(tile);
  if (tile.from.format == KvFormat::kF32) return attend<FloatsAvx2>(tile);
  const FlushDenormals flush;
  attend<PairsAvx2>(tile);
}

}  // namespace tessera
