#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera {

/// How the weights of a unit are stored, best first. int8: one scale a group of 128 weights; int6
/// to int4: groups of 64, clipped; fp8: e4m3, where the hardware has it.
enum class Precision : uint8_t { kF32, kBF16, kInt8, kFp8, kInt6, kInt5, kInt4 };

inline constexpr std::array kPrecisions = {Precision::kF32, Precision::kBF16, Precision::kInt8,
                                           Precision::kFp8, Precision::kInt6, Precision::kInt5,
                                           Precision::kInt4};
inline constexpr size_t kPrecisionCount = kPrecisions.size();

/// As on the command line: "f32", "bf16", "int8", ...
constexpr std::string_view precision_name(Precision precision) {
  constexpr std::array<std::string_view, kPrecisionCount> kNames = {"f32",  "bf16", "int8", "fp8",
                                                                    "int6", "int5", "int4"};
  return kNames[static_cast<size_t>(precision)];
}

/// Empty when there is no precision of that name.
constexpr std::optional<Precision> parse_precision(std::string_view name) {
  for (const Precision precision : kPrecisions)
    if (precision_name(precision) == name) return precision;
  return std::nullopt;
}

}  // namespace tessera
