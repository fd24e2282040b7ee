#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera {

/// How the cache keeps keys and values. int8: each token's key and value of a head with a scale of
/// its own, half the memory of bf16.
enum class KvFormat : uint8_t { kF32, kBF16, kInt8 };

inline constexpr std::array kKvFormats = {KvFormat::kF32, KvFormat::kBF16, KvFormat::kInt8};
inline constexpr size_t kKvFormatCount = kKvFormats.size();

/// As on the command line: "f32", "bf16", "int8".
constexpr std::string_view kv_format_name(KvFormat format) {
  constexpr std::array<std::string_view, kKvFormatCount> kNames = {"f32", "bf16", "int8"};
  return kNames[static_cast<size_t>(format)];
}

/// Empty when there is no format of that name.
constexpr std::optional<KvFormat> parse_kv_format(std::string_view name) {
  for (const KvFormat format : kKvFormats)
    if (kv_format_name(format) == name) return format;
  return std::nullopt;
}

}  // namespace tessera
