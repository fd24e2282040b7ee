#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;  // of libxxhash

namespace tessera {

/// XXH3 with 64 bits over bytes that come in pieces: finds damage at the speed of memory. It is no
/// proof against somebody who forges a file.
/// Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
class Checksum {
 public:
  Checksum();

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }

  uint64_t value() const;    ///< of all bytes so far
  std::string text() const;  ///< value() as 16 hexadecimal digits

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// XXH3 with 64 bits of these bytes, another function for each seed.
uint64_t seeded_checksum(std::span<const std::byte> bytes, uint64_t seed);

}  // namespace tessera
