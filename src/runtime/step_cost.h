#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace tessera {

/// What a step costs on this machine, learned from those that ran:
///
///   seconds = base + decode_rows * d + prompt_rows * p
///
/// by least squares of the relative errors, so that one step that was held up counts for little.
/// The newest steps count most: half of the weight is that of the last 64, of steps that only
/// decode and of steps with prompts each, since neither kind says what the other one costs.
class StepCost {
 public:
  void add(int64_t decode_rows, int64_t prompt_rows, double seconds);

  /// Most rows of prompts with which a step takes `factor` times as long as with its decodes alone;
  /// none before that can be told.
  std::optional<int64_t> prompt_rows(int64_t decode_rows, double factor) const;

 private:
  /// Normal equations: three rows of coefficients, and the right side.
  using Sums = std::array<std::array<double, 4>, 3>;

  std::array<Sums, 2> sums_ = {};  ///< of steps that only decode, of those with prompts
};

}  // namespace tessera
