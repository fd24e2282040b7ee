#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

inline constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

/// "24GiB", "500MB", "800KiB", "1.5GiB", "4096" -> bytes. Empty when the text is not a size, is
/// negative, or does not fit 63 bits. GB = 10^9, GiB = 2^30; "G" alone is refused as ambiguous.
std::optional<uint64_t> parse_bytes(std::string_view text);

/// "12GB/s", "800MiB/s" -> bytes per second.
std::optional<double> parse_bandwidth(std::string_view text);

std::string format_bytes(uint64_t bytes);          ///< "1.04 GiB", "700 MiB", "12 B"
std::string format_bandwidth(double bytes_per_s);  ///< "12.3 GB/s"
std::string format_duration(double seconds);       ///< "1.2 s", "35 ms", "2 min 5 s"

/// The next multiple of `granule` (> 0) at or above `value`.
constexpr uint64_t round_up(uint64_t value, uint64_t granule) {
  return (value + granule - 1) / granule * granule;
}

/// Parts of `b` (> 0) that `a` (>= 0) fills or begins.
constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace tessera
