#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera {

// What a stranger's form may cost. Past a limit it is refused with a UsageError.
inline constexpr size_t kMaxSchemaBytes = 256 << 10;
inline constexpr size_t kMaxPatternBytesInForm = 16 << 10;
inline constexpr int kMaxPatternNesting = 64;          ///< groups in groups
inline constexpr int kMaxRepeats = 10'000;             ///< in {m,n}, of characters, of items
inline constexpr size_t kMaxNfaNodes = 200'000;        ///< of a form, copies of branches included
inline constexpr size_t kMaxStateCells = 8 << 20;      ///< states times kinds of bytes: 32 MiB
inline constexpr size_t kMaxCompileWork = 10'000'000;  ///< edges looked at

/// Values in values, below the answer's own: of JSON mode, of "additionalProperties": true, and of
/// schemas that refer to themselves.
inline constexpr int kMaxFormLevels = 64;
/// Blanks in a row between the parts of a JSON text.
inline constexpr int kMaxBlanks = 64;
/// Of integers, and before and behind the point of numbers, unless bounds leave fewer.
inline constexpr int kMaxIntegerDigits = 18, kMaxFractionDigits = 18;

/// Throws the UsageError of a form that cannot be kept to. `place` is a keyword with its path or a
/// byte of the expression.
[[noreturn]] void refuse_form(const std::string& place, const std::string& expected,
                              const std::string& found, const std::string& hint = "");

/// As above, of a form past one of the limits.
[[noreturn]] void refuse_large_form(const std::string& place, const std::string& limit);

}  // namespace tessera
