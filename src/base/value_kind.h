#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

/// What is done to f32 values beside matmuls and attention; each has a speed of its own.
enum class ValueKind : uint8_t {
  kNorm,        ///< RMSNorm, LayerNorm: read and written
  kRotation,    ///< of queries and keys: read and written
  kCache,       ///< keys and values into the cache's pages: read and written
  kActivation,  ///< SwiGLU: two read, one written; GELU: read and written
};
inline constexpr size_t kValueKindCount = 4;

}  // namespace tessera
