#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/attention.h"
#include "ops/attention_pages.h"
#include "ops/attention_tile.h"
#include "ops/bf16_round.h"
#include "ops/convert.h"
#include "ops/float_math.h"

namespace tessera {
namespace {

// A word's numbers: one f32, or two bf16, denormal ones taken as 0.
struct Words {
  bool bf16;

  int64_t per_word() const { return bf16 ? 2 : 1; }
  float number(const std::byte* base, int64_t word, int64_t half) const {
    if (!bf16) return reinterpret_cast<const float*>(base)[word];
    return flush(f32_from_bf16(reinterpret_cast<const uint16_t*>(base)[2 * word + half]));
  }
  float input(float value) const { return bf16 ? f32_from_bf16(bf16_rounded(value)) : value; }
  float flush(float value) const {
    return bf16 && std::fabs(value) < 0x1p-126F ? std::copysign(0.0F, value) : value;
  }
  // sum + x[i] * w(i) over i = 0, 1, .., or in pairs 1, 0, 3, 2, ..
  template <typename Weight>
  float chain(float sum, const float* x, int64_t count, const Weight& w) const {
    for (int64_t i = 0; i < count; i += per_word()) {
      if (bf16 && i + 1 < count) sum = flush(std::fma(x[i + 1], w(i + 1), sum));
      sum = flush(std::fma(x[i], w(i), sum));
    }
    return sum;
  }
};

float key(const AttentionTile& tile, Words words, int64_t t, int64_t d) {
  const int64_t per = words.per_word();
  return words.number(page<std::byte>(tile, tile.from.keys, t),
                      d / per * kBlockTokens + t % kBlockTokens, d % per);
}

float value(const AttentionTile& tile, Words words, int64_t t, int64_t d) {
  const int64_t per = words.per_word(), slot = t % kBlockTokens;
  return words.number(page<std::byte>(tile, tile.from.values, t), slot / per * tile.head_dim + d,
                      slot % per);
}

void attend_query(const AttentionTile& tile, int64_t query) {
  const Words words{tile.from.format == KvFormat::kBF16};
  const int64_t dims = tile.head_dim, context = tile.context[query];
  std::array<float, kMaxHeadDim> q = {}, a = {};
  for (int64_t d = 0; d < dims; ++d) q[static_cast<size_t>(d)] = words.input(tile.q[query][d]);
  std::array<float, kBlockTokens> l = {};
  float m = std::numeric_limits<float>::lowest();

  for (int64_t first = 0; first < context; first += kGroupTokens) {
    const int64_t count = std::min(kGroupTokens, context - first);
    std::array<float, kGroupTokens> s = {}, p = {};
    float largest = m;
    for (int64_t t = 0; t < count; ++t) {
      const float chain =
          words.chain(0, q.data(), dims, [&](int64_t d) { return key(tile, words, first + t, d); });
      s[static_cast<size_t>(t)] = words.flush(tile.scale * chain);
      largest = std::max(largest, s[static_cast<size_t>(t)]);
    }
    for (size_t t = 0; t < static_cast<size_t>(count); ++t)
      p[t] = exp2_f32_of_negative(s[t] - largest);
    const float c = exp2_f32_of_negative(m - largest);
    m = largest;

    for (size_t lane = 0; lane < l.size(); ++lane)
      l[lane] = l[lane] * c + ((p[lane] + p[lane + 16]) + (p[lane + 32] + p[lane + 48]));
    for (float& weight : p) weight = words.input(weight);
    for (int64_t d = 0; d < dims; ++d) {
      float& sum = a[static_cast<size_t>(d)];
      sum = words.chain(words.flush(sum * c), p.data(), count,
                        [&](int64_t t) { return value(tile, words, first + t, d); });
    }
  }

  for (size_t half = l.size() / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane) l[lane] += l[lane + half];
  for (int64_t d = 0; d < dims; ++d)
    tile.out[query][d] = words.flush(a[static_cast<size_t>(d)] / l[0]);
}

}  // namespace

void attend_plain(const AttentionTile& tile) {
  if (tile.from.format == KvFormat::kInt8) return attend_codes_plain(tile);
  for (int64_t query = 0; query < tile.queries; ++query) attend_query(tile, query);
}

}  // namespace tessera
