#include "ops/activation_loops.h"
#include "ops/attention_tile.h"
#include "ops/matmul_tile.h"

// Linked on other processors, where best_isa() is kPlain and none of these is called.

namespace tessera {

ActivationLoops activation_loops_avx2() {
  return activation_loops_plain();
}
ActivationLoops activation_loops_avx512() {
  return activation_loops_plain();
}
void attend_avx2(const AttentionTile& tile) {
  attend_plain(tile);
}
void attend_avx512(const AttentionTile& tile) {
  attend_plain(tile);
}
void matmul_tile_avx2(const MatmulOperands& op, const MatmulTile& tile) {
  matmul_tile_plain(op, tile);
}
void matmul_tile_avx512(const MatmulOperands& op, const MatmulTile& tile) {
  matmul_tile_plain(op, tile);
}

}  // namespace tessera
