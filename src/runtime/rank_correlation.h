#pragma once

#include <optional>
#include <span>

namespace tessera {

/// How nearly y rises wherever x does: the correlation of their ranks, -1 to 1; equal values share
/// the mean of their ranks. Empty for fewer than two pairs and where one side is all equal.
/// Source: Spearman 1904, The American Journal of Psychology 15.
std::optional<double> rank_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace tessera
