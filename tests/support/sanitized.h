#pragma once

namespace tessera {

/// Whether a sanitizer watches: tests take five to ten times as long then, and some try fewer cases
/// of a kind.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace tessera
