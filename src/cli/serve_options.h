#pragma once

#include "cli/option_set.h"
#include "cli/options.h"

namespace tessera {

/// The options of `tessera serve` that no other command has.
void add_serving(OptionSet& options, ServeCommand& command);

/// Throws UsageError when options that were given do not go together; fills in what the environment
/// says (TESSERA_API_KEYS).
void settle_serving(ServeCommand& command);

}  // namespace tessera
