#include "ops/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "base/isa.h"
#include "ops/sampling_loops.h"
#include "ops/token_weight.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Larger logit first, of equal ones the lower id.
bool before(const TokenLogit& a, const TokenLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// What a draw does with logits, it does some at a time.
constexpr size_t kBlock = 1024;

SamplingLoops best_loops() {
  return widest(best_isa(), sampling_loops_plain, sampling_loops_avx2, sampling_loops_avx512)();
}

// Calls visit(logits, weights, sum of the weights) for each block in turn, until it returns false.
template <typename Visit>
void for_weights(std::span<const float> logits, const WeightRule& rule, const Visit& visit) {
  static const SamplingLoops loops = best_loops();
  std::array<uint64_t, kBlock> weights;
  for (size_t first = 0; first < logits.size(); first += kBlock) {
    const auto some = logits.subspan(first, std::min(kBlock, logits.size() - first));
    const uint64_t sum = loops.weigh(some.data(), rule, weights.data(), some.size());
    if (!visit(some, std::span(weights).first(some.size()), sum)) return;
  }
}

// The largest key whose tokens' values, with those of the tokens above it, reach `reach`; and the
// sum of those above. scan(add) calls add(logit, value) for every token.
struct LogitCut {
  uint32_t key = 0;
  uint64_t above = 0;
};
template <typename Scan>
LogitCut find_cut(uint64_t reach, const Scan& scan) {
  constexpr int kDigitBits = 11;  // at a time: few keys share so many with the one that is sought
  LogitCut cut;
  int known = 0;  // bits of the key, from the top
  while (known < 32) {
    const int digit_bits = std::min(kDigitBits, 32 - known), shift = 32 - known - digit_bits;
    const uint32_t mask = (uint32_t{1} << digit_bits) - 1;
    std::array<uint64_t, size_t{1} << kDigitBits> sums = {};
    scan([&](float logit, uint64_t value) {
      const uint32_t key = logit_key(logit);
      if (uint64_t{key} >> (shift + digit_bits) == cut.key) sums[key >> shift & mask] += value;
    });
    uint32_t digit = mask;
    for (; digit > 0 && cut.above + sums[digit] < reach; --digit) cut.above += sums[digit];
    cut.key = cut.key << digit_bits | digit;
    known += digit_bits;
  }
  return cut;
}

// Of the tokens that share the least key, the nucleus has only the first `ties`: takes the others'
// weights away. Returns how many of these are left for the tokens after.
uint64_t drop_ties(std::span<const float> logits, std::span<uint64_t> weights, uint32_t key,
                   uint64_t ties) {
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logit_key(logits[i]) != key) continue;
    if (ties == 0)
      weights[i] = 0;
    else
      --ties;
  }
  return ties;
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

// A number that at least `count` logits reach, close to the count'th: of the largest numbers of
// many groups of neighbours the count'th.
float reached_by(std::span<const float> logits, size_t count) {
  constexpr size_t kGroups = 2048, kLeastGroup = 64;
  const size_t group = std::max(kLeastGroup, (logits.size() + kGroups - 1) / kGroups);
  std::array<float, kGroups> tops;
  size_t groups = 0;
  for (size_t first = 0; first < logits.size(); first += group)
    tops[groups++] = top_of(logits.subspan(first, std::min(group, logits.size() - first))).logit;
  if (count > groups) return -std::numeric_limits<float>::infinity();
  const auto place = tops.begin() + static_cast<std::ptrdiff_t>(count) - 1;
  std::nth_element(tops.begin(), place, tops.begin() + static_cast<std::ptrdiff_t>(groups),
                   std::greater());
  return *place;
}

// The checked largest logit, of equal ones the first.
TokenLogit largest(std::span<const float> logits) {
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
  WeightRule rule = {.top = top.logit, .temperature = options.temperature};
  if (options.top_k > 0 && static_cast<uint64_t>(options.top_k) < logits.size()) {
    const auto count = static_cast<uint64_t>(options.top_k);
    const float floor = reached_by(logits, count);
    rule.key = find_cut(count, [&](const auto& add) {
                 for (const float logit : logits)
                   if (logit >= floor) add(logit, 1);
               }).key;
  }

  uint64_t sum = 0, ties = logits.size();
  for_weights(logits, rule, [&](auto, auto, uint64_t own) {
    sum += own;
    return true;
  });
  if (options.top_p < 1) {
    const uint64_t reach = nucleus_weight(options.top_p, sum);
    // All that have less than this together are not what the nucleus leaves out; half of it, as a
    // key's order need not be a weight's to the last bit.
    rule.least = (sum - reach) / logits.size() / 2;
    const LogitCut cut = find_cut(reach, [&](const auto& add) {
      for_weights(logits, rule, [&](auto some, auto weights, uint64_t own) {
        for (size_t i = 0; i < some.size() && own > 0; ++i)
          if (weights[i] > 0) add(some[i], weights[i]);
        return true;
      });
    });
    const uint64_t each = token_weight(logit_of(cut.key), rule.top, rule.temperature);
    ties = (reach - cut.above + each - 1) / each;
    sum = cut.above + ties * each;
    rule.key = cut.key;
  }
  rule.least = least_weight(options.min_p);

  // The weights that are kept, to their sum or to the token on which `left` falls.
  const auto walk = [&](uint64_t left) {
    uint64_t passed = 0, ties_left = ties;
    int32_t token = 0, first = 0;
    for_weights(logits, rule, [&](auto some, auto weights, uint64_t own) {
      if (ties < logits.size()) {
        ties_left = drop_ties(some, weights, rule.key, ties_left);
        own = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
      }
      if (left - passed >= own) {
        passed += own;
        first += static_cast<int32_t>(some.size());
        return true;
      }
      size_t i = 0;
      for (; left - passed >= weights[i]; ++i) passed += weights[i];
      token = first + static_cast<int32_t>(i);
      return false;
    });
    return std::pair(token, passed);
  };
  if (rule.least > 0) sum = walk(UINT64_MAX).second;
  return walk(upper_product(draw.random, sum)).first;
}

}  // namespace tessera
