#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tessera {

/// Texts for byte-level BPE, put together as tools/bpe_goldens.py does it: fragments, now and then
/// any character, a stray byte, or one fragment many times.
class BpeCorpus {
 public:
  explicit BpeCorpus(const std::string& data_dir);

  std::string text(uint64_t number) const;
  static std::vector<int32_t> ids(uint64_t number, uint32_t vocab);
  const std::vector<std::string>& fragments() const { return fragments_; }

 private:
  std::vector<std::string> fragments_;
};

std::string from_hex(const std::string& hex);

/// FNV-1a, 64 bits.
class Fnv {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
  }
  void add_ids(const std::vector<int32_t>& ids);
  std::string hex() const;

 private:
  uint64_t value_ = 0xCBF29CE484222325;
};

}  // namespace tessera
