#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

/// Which input samples make each output sample along one axis, and with what weights, in fixed
/// point: 22 bits after the point, as Pillow's resize has them.
///
/// Output sample i is the sum over t < count of weights[offset + t] * in[first + t], plus outside *
/// ground, rounded and clipped to 0..255.
struct Taps {
  struct Range {
    int64_t first;    ///< input sample
    int64_t count;    ///< may be 0 after clipping
    int64_t offset;   ///< of its first weight in `weights`
    int32_t outside;  ///< sum of the weights that fell on the ground around the picture
  };
  std::vector<Range> ranges = {};  ///< one per output sample
  std::vector<int32_t> weights = {};

  int64_t outputs() const { return static_cast<int64_t>(ranges.size()); }
};

inline constexpr int kWeightBits = 22;  ///< after the point

/// The bicubic filter (a = -1/2) that turns `in` samples into `out`, widened by in / out when
/// shrinking, for the outputs [begin, end) only. in, out >= 1.
/// Source: Pillow 9.4 to 13, src/libImaging/Resample.c; Keys 1981 for the cubic.
Taps bicubic_taps(int64_t in, int64_t out, int64_t begin, int64_t end);

/// The same taps for a picture that fills samples [begin, end) of the input, on a ground of one
/// value; input samples count from `begin` afterwards. Sums of integers: the results stay equal.
void clip_taps(Taps& taps, int64_t begin, int64_t end);

}  // namespace tessera
