#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace tessera {
namespace {

struct Suffix {
  std::string_view name;
  double factor;
};

constexpr std::array<Suffix, 11> kSuffixes = {{{"", 1},
                                               {"B", 1},
                                               {"KiB", 0x1p10},
                                               {"MiB", 0x1p20},
                                               {"GiB", 0x1p30},
                                               {"TiB", 0x1p40},
                                               {"kB", 1e3},
                                               {"KB", 1e3},
                                               {"MB", 1e6},
                                               {"GB", 1e9},
                                               {"TB", 1e12}}};

std::optional<double> parse_scaled(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc{} || !(value >= 0)) return std::nullopt;
  const std::string_view suffix(rest, static_cast<size_t>(end - rest));
  for (const Suffix& s : kSuffixes)
    if (s.name == suffix && std::isfinite(value * s.factor)) return value * s.factor;
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  const auto value = parse_scaled(text);
  if (!value || !(*value < 0x1p63)) return std::nullopt;
  return static_cast<uint64_t>(std::llround(*value));
}

std::optional<double> parse_bandwidth(std::string_view text) {
  if (!text.ends_with("/s")) return std::nullopt;
  text.remove_suffix(2);
  return parse_scaled(text);
}

std::string format_bytes(uint64_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (bytes < kKiB) return fmt::format("{} B", bytes);
  if (bytes < kMiB) return fmt::format("{:.3g} KiB", b / 0x1p10);
  if (bytes < kGiB) return fmt::format("{:.1f} MiB", b / 0x1p20);
  return fmt::format("{:.2f} GiB", b / 0x1p30);
}

std::string format_bandwidth(double bytes_per_s) {
  if (bytes_per_s < 1e9) return fmt::format("{:.0f} MB/s", bytes_per_s / 1e6);
  return fmt::format("{:.1f} GB/s", bytes_per_s / 1e9);
}

std::string format_duration(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 0.1) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace tessera
