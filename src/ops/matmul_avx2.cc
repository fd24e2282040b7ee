#include "ops/matmul_tile.h"
namespace tessera {
void matmul_tile_avx2(const MatmulOperands& op, const MatmulTile& tile) {
  matmul_tile_plain(op, tile);
}
void matmul_tile_avx512(const MatmulOperands& op, const MatmulTile& tile) {
  matmul_tile_plain(op, tile);
}
}  // namespace tessera
