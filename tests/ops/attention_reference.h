#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/kv_cache.h"
#include "tests/ops/op_device.h"
#include "tests/ops/paged.h"

namespace tessera {

// Scores and sums are chains of f32 roundings, each off by 2^-24 of a partial sum; with scores of
// about 1 the weights are off by as much, and the outputs, means of numbers of about 1, by the
// square root of the context times that at most. Measured: 4e-7 at most; allow 2e-6.
inline constexpr double kAttentionAbs = 2e-6;

// Over bf16 pages each weight is rounded by 2^-9 of itself, so a mean of numbers up to 4 is off by
// 8e-3 at the very worst; roundings go both ways, and half of that was never seen.
inline constexpr double kAttentionAbsBf16 = 4e-3;

// Over int8 pages queries and weights are rounded by 2^-16 of the largest: a score, a sum of such
// errors of both signs, by a few 1e-5, and so the outputs. Measured: 1.3e-4 at most; allow 3e-4.
inline constexpr double kAttentionAbsInt8 = 3e-4;

// CUDA devices multiply codes as bf16, and so round a weight times its token's scale by 2^-9; a row
// with one token has that error in full. 8e-3 of numbers up to 4: allow 1e-2.
inline constexpr double kAttentionAbsInt8Cuda = 1e-2;

inline double attention_tolerance(const OpTarget& target, KvFormat format) {
  const double int8 = target.kind == DeviceKind::kCuda ? kAttentionAbsInt8Cuda : kAttentionAbsInt8;
  return format == KvFormat::kF32    ? kAttentionAbs
         : format == KvFormat::kBF16 ? kAttentionAbsBf16
                                     : int8;
}

/// Queries as they are multiplied with keys of such pages.
inline std::vector<float> as_multiplied(const OpTarget& target, std::vector<float> q,
                                        KvFormat format) {
  const bool as_bf16 = target.kind == DeviceKind::kCuda && format == KvFormat::kInt8;
  if (format == KvFormat::kBF16 || as_bf16)
    for (float& x : q) x = f32_from_bf16(bf16_from_f32(x));
  return q;
}

/// The definition, in double, over contiguous keys and values [tokens, kv_heads * dim].
inline std::vector<double> attention_in_double(const std::vector<float>& q,
                                               const std::vector<float>& k,
                                               const std::vector<float>& v, int64_t heads,
                                               int64_t kv_heads, int64_t dim, double scale,
                                               const std::vector<int64_t>& contexts) {
  std::vector<double> out(q.size());
  for (size_t row = 0; row < contexts.size(); ++row)
    for (int64_t head = 0; head < heads; ++head) {
      const size_t at = row * static_cast<size_t>(heads * dim) + static_cast<size_t>(head * dim);
      const int64_t group = head / (heads / kv_heads);
      const auto kv = [&](const std::vector<float>& from, int64_t t, int64_t d) {
        return double{from[static_cast<size_t>((t * kv_heads + group) * dim + d)]};
      };
      std::vector<double> scores;
      for (int64_t t = 0; t < contexts[row]; ++t) {
        double score = 0;
        for (int64_t d = 0; d < dim; ++d)
          score += double{q[at + static_cast<size_t>(d)]} * kv(k, t, d);
        scores.push_back(score * scale);
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (double& score : scores) sum += score = std::exp(score - top);
      for (int64_t d = 0; d < dim; ++d)
        for (int64_t t = 0; t < contexts[row]; ++t)
          out[at + static_cast<size_t>(d)] += scores[static_cast<size_t>(t)] / sum * kv(v, t, d);
    }
  return out;
}

/// Rows first .. first + count - 1 of a sequence, whose queries are those of `q` [rows, heads *
/// dim] from row `at` on.
inline std::vector<float> attend_rows(OpDevice& device, PagedSequence& s, int64_t heads,
                                      float scale, int64_t first, int64_t count,
                                      const std::vector<float>& q, int64_t at) {
  const int64_t width = heads * s.pages().head_dim;
  std::vector<float> own(q.begin() + at * width, q.begin() + (at + count) * width);
  std::vector<float> got(own.size());
  Tensor out = device.view(got, {count, width});
  paged_attention(device.stream(), device.view(own, out.shape), s.pages(), s.rows(first, count),
                  heads, scale, out);
  device.wait();
  return got;
}

}  // namespace tessera
