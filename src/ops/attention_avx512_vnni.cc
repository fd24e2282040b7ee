#include "ops/attention_codes.h"
#include "ops/lanes_avx512.h"

namespace tessera {
namespace {

struct CodesVnni : CodesAvx512 {
  static __m512i add(__m512i sum, __m512i x, __m512i w) { return _mm512_dpwssd_epi32(sum, x, w); }
};

}  // namespace

void attend_avx512_vnni(const AttentionTile& tile) {
  attend_codes<CodesVnni>(tile);
}

}  // namespace tessera
