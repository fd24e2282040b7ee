#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// A long option that a command knows, without its dashes: "model-path".
struct OptionName {
  std::string name;
  bool takes_value = true;
};

/// Brings long options into one spelling: `-` and `_` are alike in their names, and a value may
/// follow after `=`. "--model_path=DIR" becomes "--model-path", "DIR". Values, positional texts and
/// all that follows "--" stay as they are.
///
/// Throws UsageError for an option that is not known (with the nearest one that is), for a value
/// that is missing (a known option in its place counts as missing; after `=` anything is a value),
/// and for a value given to an option that takes none.
std::vector<std::string> normalise_arguments(std::span<const std::string> args,
                                             std::span<const OptionName> known);

/// The candidate that `word` most likely means; empty when none is close. Case is ignored.
std::optional<std::string> nearest_name(std::string_view word,
                                        std::span<const std::string> candidates);

}  // namespace tessera
