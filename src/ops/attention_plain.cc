#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/attention.h"
#include "ops/attention_tile.h"
#include "ops/convert.h"
#include "ops/float_math.h"

namespace tessera {
namespace {

float number(const void* base, bool bf16, int64_t index) {
  return bf16 ? f32_from_bf16(static_cast<const uint16_t*>(base)[index])
              : static_cast<const float*>(base)[index];
}

float key(const AttentionTile& tile, int64_t t, int64_t d) {
  const KeysAndValues& from = tile.from;
  if (from.blocks == nullptr) return number(from.keys, false, t * from.key_stride + d);
  const int64_t page = from.blocks[t / kBlockTokens] * from.key_stride;
  return number(from.keys, from.bf16, page + d * kBlockTokens + t % kBlockTokens);
}

float value(const AttentionTile& tile, int64_t t, int64_t d) {
  const KeysAndValues& from = tile.from;
  if (from.blocks == nullptr) return number(from.values, false, t * from.value_stride + d);
  const int64_t page = from.blocks[t / kBlockTokens] * from.value_stride;
  return number(from.values, from.bf16, page + t % kBlockTokens * tile.head_dim + d);
}

void attend(const AttentionTile& tile, int64_t query) {
  const float* q = tile.q[query];
  const int64_t dims = tile.head_dim, context = tile.context[query];
  std::array<float, kBlockTokens> l = {};
  std::array<float, kMaxHeadDim> a = {};
  float m = std::numeric_limits<float>::lowest();

  for (int64_t first = 0; first < context; first += kGroupTokens) {
    const int64_t count = std::min(kGroupTokens, context - first);
    std::array<float, kGroupTokens> s = {}, p = {};
    float largest = m;
    for (int64_t t = 0; t < count; ++t) {
      float chain = 0;
      for (int64_t d = 0; d < dims; ++d) chain = std::fma(q[d], key(tile, first + t, d), chain);
      s[static_cast<size_t>(t)] = tile.scale * chain;
      largest = std::max(largest, s[static_cast<size_t>(t)]);
    }
    for (size_t t = 0; t < static_cast<size_t>(count); ++t) p[t] = exp_f32(s[t] - largest);
    const float c = exp_f32(m - largest);
    m = largest;

    for (size_t lane = 0; lane < l.size(); ++lane)
      l[lane] = l[lane] * c + ((p[lane] + p[lane + 16]) + (p[lane + 32] + p[lane + 48]));
    for (int64_t d = 0; d < dims; ++d) {
      float chain = a[static_cast<size_t>(d)] * c;
      for (int64_t t = 0; t < count; ++t)
        chain = std::fma(p[static_cast<size_t>(t)], value(tile, first + t, d), chain);
      a[static_cast<size_t>(d)] = chain;
    }
  }

  for (size_t half = l.size() / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane) l[lane] += l[lane + half];
  for (int64_t d = 0; d < dims; ++d) tile.out[query][d] = a[static_cast<size_t>(d)] / l[0];
}

}  // namespace

void attend_plain(const AttentionTile& tile) {
  for (int64_t query = 0; query < tile.queries; ++query) attend(tile, query);
}

}  // namespace tessera
