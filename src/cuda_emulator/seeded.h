#pragma once

#include <cstdint>

namespace tessera {

/// A small random number generator: splitmix64 (Steele, Lea and Flood 2014). The library's are
/// templates that the program under test may share with us, with ThreadSanitizer's checks in them.
class Seeded {
 public:
  explicit Seeded(uint64_t seed) : state_(seed) {}

  /// 0 <= result < bound
  uint64_t below(uint64_t bound) {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % bound;
  }

 private:
  uint64_t state_;
};

}  // namespace tessera
