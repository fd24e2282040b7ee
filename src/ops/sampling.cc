#include "ops/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "ops/token_weight.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Larger logit first, of equal ones the lower id.
bool before(const TokenLogit& a, const TokenLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Of the keys from `from` on the largest whose row's values, with those of the keys above it, reach
// `reach`; and the sum of those above.
struct LogitCut {
  uint32_t key = 0;
  uint64_t above = 0;
};
template <typename Value>
LogitCut find_cut(std::span<const float> logits, uint32_t from, uint64_t reach,
                  const Value& value) {
  LogitCut cut;
  for (int shift = 24; shift >= 0; shift -= 8) {  // eight bits of the key at a time
    std::array<uint64_t, 256> sums = {};
    for (const float logit : logits) {
      const uint32_t key = logit_key(logit);
      if (key >= from && uint64_t{key} >> (shift + 8) == cut.key)
        sums[key >> shift & 0xff] += value(logit);
    }
    uint32_t digit = 255;
    for (; digit > 0 && cut.above + sums[digit] < reach; --digit) cut.above += sums[digit];
    cut.key = cut.key << 8 | digit;
  }
  return cut;
}

[[noreturn]] void fail(std::string found) {
  throw Error({.where = "logits",
               .expected = "numbers",
               .found = std::move(found),
               .hint = "the weights are damaged, or a number overflowed"});
}

// The largest number of some, and whether all are numbers: in lanes, as a compiler makes vectors
// of.
struct BlockTop {
  float logit;
  bool numbers;
};
BlockTop top_of(std::span<const float> logits) {
  constexpr size_t kAtOnce = 16;
  std::array<float, kAtOnce> tops;
  std::array<uint32_t, kAtOnce> strange = {};
  tops.fill(-std::numeric_limits<float>::infinity());
  const auto take = [&](size_t lane, float logit) {
    tops[lane] = logit > tops[lane] ? logit : tops[lane];
    strange[lane] |= logit != logit ? 1 : 0;
  };
  size_t i = 0;
  for (; i + kAtOnce <= logits.size(); i += kAtOnce)
    for (size_t lane = 0; lane < kAtOnce; ++lane) take(lane, logits[i + lane]);
  for (; i < logits.size(); ++i) take(i % kAtOnce, logits[i]);
  return {*std::ranges::max_element(tops), std::ranges::count(strange, 0U) == kAtOnce};
}

// The checked largest logit, of equal ones the first.
TokenLogit largest(std::span<const float> logits) {
  constexpr size_t kBlock = 1024;
  if (logits.empty()) fail("none");
  float best = -std::numeric_limits<float>::infinity();
  size_t block = 0;  // that it is in
  for (size_t first = 0; first < logits.size(); first += kBlock) {
    const auto some = logits.subspan(first, std::min(kBlock, logits.size() - first));
    const BlockTop top = top_of(some);
    if (!top.numbers) {
      const auto strange = std::ranges::find_if(some, [](float logit) { return logit != logit; });
      fail("NaN for token " + std::to_string(first + static_cast<size_t>(strange - some.begin())));
    }
    if (top.logit > best) {
      best = top.logit;
      block = first;
    }
  }
  if (std::isinf(best)) fail(std::to_string(best) + " as the largest");
  const auto rest = logits.subspan(block);
  const auto offset = std::ranges::find(rest, best) - rest.begin();
  return {static_cast<int32_t>(block) + static_cast<int32_t>(offset), best};
}

}  // namespace

int32_t greedy_token(std::span<const float> logits) {
  return largest(logits).token;
}

std::vector<float> log_softmax(std::span<const float> logits) {
  const double top = double{largest(logits).logit};
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - top);
  const double log_sum = top + std::log(sum);
  std::vector<float> out(logits.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(double{logits[i]} - log_sum);
  return out;
}

std::vector<TokenLogit> top_logits(std::span<const float> logits, int64_t count) {
  largest(logits);
  std::vector<TokenLogit> all;
  all.reserve(logits.size());
  for (const float logit : logits) all.push_back({static_cast<int32_t>(all.size()), logit});
  const auto kept = std::clamp<int64_t>(count, 0, static_cast<int64_t>(all.size()));
  std::partial_sort(all.begin(), all.begin() + kept, all.end(), before);
  all.resize(static_cast<size_t>(kept));
  return all;
}

TokenDraw Sampler::draw(const SamplingOptions& options) {
  return {.options = options, .random = options.temperature > 0 ? random_() : 0};
}

int32_t draw_token(std::span<const float> logits, const TokenDraw& draw) {
  const SamplingOptions& options = draw.options;
  const TokenLogit top = largest(logits);
  if (!(options.temperature > 0)) return top.token;

  // Dividing by the temperature keeps the order, so top_k is taken on the logits themselves.
  const float weightless = top.logit - kWeightless * options.temperature;
  const auto weight = [&](float logit) {
    return logit < weightless ? 0 : token_weight(logit, top.logit, options.temperature);
  };
  LogitCut cut;  // all
  if (options.top_k > 0 && static_cast<uint64_t>(options.top_k) < logits.size())
    cut = find_cut(logits, 0, static_cast<uint64_t>(options.top_k),
                   [](float) { return uint64_t{1}; });

  uint64_t sum = 0, ties = logits.size();
  for (const float logit : logits)
    if (logit_key(logit) >= cut.key) sum += weight(logit);
  if (options.top_p < 1) {
    const uint64_t reach = nucleus_weight(options.top_p, sum);
    cut = find_cut(logits, cut.key, reach, weight);
    const uint64_t each = weight(logit_of(cut.key));
    ties = (reach - cut.above + each - 1) / each;
    sum = cut.above + ties * each;
  }
  const uint64_t least = least_weight(options.min_p);
  if (least > 0) {  // by weight: a key's order need not be a weight's to the last bit
    uint64_t ties_left = ties;
    sum = 0;
    for (const float logit : logits) {
      const uint32_t key = logit_key(logit);
      if (key < cut.key || (key == cut.key && ties_left == 0)) continue;
      if (key == cut.key) --ties_left;
      if (const uint64_t own = weight(logit); own >= least) sum += own;
    }
  }

  uint64_t left = upper_product(draw.random, sum);
  for (size_t i = 0;; ++i) {  // ends before the last: left < sum
    const uint32_t key = logit_key(logits[i]);
    if (key < cut.key || (key == cut.key && ties == 0)) continue;
    if (key == cut.key) --ties;
    const uint64_t own = weight(logits[i]);
    if (own < least) continue;
    if (left < own) return static_cast<int32_t>(i);
    left -= own;
  }
}

}  // namespace tessera
