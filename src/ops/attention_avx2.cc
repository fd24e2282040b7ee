#include "ops/attention_tile.h"
namespace tessera {
void attend_avx2(const AttentionTile& tile) {
  attend_plain(tile);
}
void attend_avx512(const AttentionTile& tile) {
  attend_plain(tile);
}
}  // namespace tessera
