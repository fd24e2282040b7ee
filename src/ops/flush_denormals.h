#pragma once

#include <immintrin.h>

// Only for files compiled for x86: internal linkage.

namespace tessera {
namespace {

/// While it lives, this thread takes denormal numbers as 0, as inputs and as results: so does the
/// bf16 instruction, always.
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  const unsigned before_;
};

}  // namespace
}  // namespace tessera
