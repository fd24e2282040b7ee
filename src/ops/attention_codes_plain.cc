#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "ops/attention.h"
#include "ops/attention_pages.h"
#include "ops/attention_tile.h"
#include "ops/code_scale.h"
#include "ops/float_math.h"

namespace tessera {
namespace {

int32_t key_code(const AttentionTile& tile, int64_t t, int64_t d) {
  const auto* codes = page<int8_t>(tile, tile.from.keys, t);
  return codes[(d / 2 * kBlockTokens + t % kBlockTokens) * 2 + d % 2];
}

int32_t value_code(const AttentionTile& tile, int64_t t, int64_t d) {
  const auto* codes = page<int8_t>(tile, tile.from.values, t);
  return codes[(t % kBlockTokens / 2 * tile.head_dim + d) * 2 + t % 2];
}

float scale_of(const AttentionTile& tile, const float* scales, int64_t t) {
  return page<float>(tile, scales, t)[t % kBlockTokens];
}

// Numbers as codes of 16 bits; returns their scale.
template <size_t kCount>
float to_codes(const std::array<float, kCount>& from, std::array<int16_t, kCount>& to) {
  const CodeScale code = code_scale(largest_magnitude(from.data(), kCount), 32767);
  for (size_t i = 0; i < kCount; ++i)
    to[i] = static_cast<int16_t>(nearest_code(from[i] * code.inverse));
  return code.scale;
}

void attend(const AttentionTile& tile, int64_t query) {
  const auto dims = static_cast<size_t>(tile.head_dim);
  const int64_t context = tile.context[query];
  std::array<float, kMaxHeadDim> q = {}, a = {};
  std::copy_n(tile.q[query], dims, q.begin());
  std::array<int16_t, kMaxHeadDim> q_codes;
  const float factor = tile.scale * to_codes(q, q_codes);
  std::array<float, kBlockTokens> l = {};
  float m = std::numeric_limits<float>::lowest();

  for (int64_t first = 0; first < context; first += kGroupTokens) {
    const auto count = static_cast<size_t>(std::min(kGroupTokens, context - first));
    const auto token = [&](size_t t) { return first + static_cast<int64_t>(t); };
    std::array<float, kGroupTokens> s = {}, p = {}, w = {};
    float largest = m;
    for (size_t t = 0; t < count; ++t) {
      int32_t sum = 0;
      for (size_t d = 0; d < dims; ++d)
        sum += q_codes[d] * key_code(tile, token(t), static_cast<int64_t>(d));
      s[t] = (scale_of(tile, tile.from.key_scales, token(t)) * factor) * static_cast<float>(sum);
      largest = std::max(largest, s[t]);
    }
    for (size_t t = 0; t < count; ++t) p[t] = exp2_f32_of_negative(s[t] - largest);
    const float c = exp2_f32_of_negative(m - largest);
    m = largest;

    for (size_t lane = 0; lane < l.size(); ++lane)
      l[lane] = l[lane] * c + ((p[lane] + p[lane + 16]) + (p[lane + 32] + p[lane + 48]));
    for (size_t t = 0; t < count; ++t)
      w[t] = p[t] * scale_of(tile, tile.from.value_scales, token(t));
    std::array<int16_t, kGroupTokens> w_codes;
    const float w_scale = to_codes(w, w_codes);
    for (size_t d = 0; d < dims; ++d) {
      int32_t sum = 0;
      for (size_t t = 0; t < count; ++t)
        sum += w_codes[t] * value_code(tile, token(t), static_cast<int64_t>(d));
      a[d] = a[d] * c + w_scale * static_cast<float>(sum);
    }
  }

  for (size_t half = l.size() / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane) l[lane] += l[lane + half];
  for (size_t d = 0; d < dims; ++d) tile.out[query][d] = a[d] / l[0];
}

}  // namespace

void attend_codes_plain(const AttentionTile& tile) {
  for (int64_t query = 0; query < tile.queries; ++query) attend(tile, query);
}

}  // namespace tessera
