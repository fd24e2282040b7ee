#include "ops/attention_codes.h"
#include "ops/attention_lanes.h"
#include "ops/flush_denormals.h"
#include "ops/lanes_avx512.h"

namespace tessera {

void attend_avx512(const AttentionTile& tile) {
  if (tile.from.format == KvFormat::kInt8) return attend_codes<CodesAvx512>(tile);
  if (tile.from.format == KvFormat::kF32) return attend<FloatsAvx512>(tile);
  const FlushDenormals flush;
  attend<PairsAvx512>(tile);
}

}  // namespace tessera
