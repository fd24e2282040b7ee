#include "image/resample.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

double cubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/// Half away from zero.
int32_t to_fixed(double weight) {
  return static_cast<int32_t>(weight * (1 << kWeightBits) + (weight < 0 ? -0.5 : 0.5));
}

/// The first sample whose centre is not before `at`; C's cast, toward zero, as Pillow has it.
int64_t sample_from(double at) {
  const double next = at + 0.5;
  return static_cast<int64_t>(next);
}

}  // namespace

// Every expression here has Pillow's order of operations: another one moves a weight by one unit
// now and then, and with it a pixel.
Taps bicubic_taps(int64_t in, int64_t out, int64_t begin, int64_t end) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = 2.0 * filter_scale;
  Taps taps;
  std::vector<double> w;
  for (int64_t i = begin; i < end; ++i) {
    const auto offset = static_cast<int64_t>(taps.weights.size());
    if (in == out) {  // the filter is 1 at 0, and 0 at the other whole numbers
      taps.ranges.push_back({i, 1, offset, 0});
      taps.weights.push_back(1 << kWeightBits);
      continue;
    }
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(sample_from(center - support), 0);
    const int64_t last = std::min(sample_from(center + support), in);
    w.clear();
    double sum = 0;
    for (int64_t t = 0; t < last - first; ++t) {
      w.push_back(cubic((static_cast<double>(t + first) - center + 0.5) * (1.0 / filter_scale)));
      sum += w.back();
    }
    for (const double weight : w)
      taps.weights.push_back(to_fixed(sum != 0 ? weight / sum : weight));
    taps.ranges.push_back({first, last - first, offset, 0});
  }
  return taps;
}

void clip_taps(Taps& taps, int64_t begin, int64_t end) {
  for (Taps::Range& range : taps.ranges) {
    const int64_t first = std::clamp(range.first, begin, end);
    const int64_t last = std::clamp(range.first + range.count, begin, end);
    for (int64_t t = 0; t < range.count; ++t)
      if (range.first + t < first || range.first + t >= last)
        range.outside += taps.weights[static_cast<size_t>(range.offset + t)];
    range.offset += first - range.first;
    range.first = first - begin;
    range.count = last - first;
  }
}

}  // namespace tessera
