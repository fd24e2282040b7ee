#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/checkpoint/zip_builder.h"

namespace tessera::pickle {

// Instructions of pickle protocol 2 as text, to be strung together.

inline const std::string kBegin = "\x80\x02", kEnd = ".";

inline std::string text(std::string_view value) {
  std::string out = "X";
  put(out, value.size(), 4);
  return out.append(value);
}

inline std::string integer(int64_t value) {
  std::string out = "\x8a\x08";
  put(out, static_cast<uint64_t>(value), 8);
  return out;
}

inline std::string global(std::string_view module, std::string_view name) {
  return std::string("c").append(module).append("\n").append(name).append("\n");
}

inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}

inline std::string sizes(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(integer(value));
  return tuple(items);
}

inline std::string ordered_dict() {
  return global("collections", "OrderedDict") + ")R";
}

inline std::string storage(std::string_view type, std::string_view key, int64_t items) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(items)}) +
         "Q";
}

inline std::string tensor(const std::string& storage_id, int64_t first,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& stride) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage_id, integer(first), sizes(shape), sizes(stride), "\x89", ordered_dict()}) +
         "R";
}

/// Three f32 of storage 0.
inline std::string small_tensor() {
  return tensor(storage("FloatStorage", "0", 3), 0, {3}, {1});
}

/// A whole pickle: {names[0]: values[0], ..}.
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = kBegin + "}(";
  for (const auto& [name, value] : items) out += text(name) + value;
  return out + "u" + kEnd;
}

}  // namespace tessera::pickle
