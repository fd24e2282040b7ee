#pragma once

#include "cli/option_set.h"
#include "cli/options.h"

namespace tessera {

/// What `tessera bench quality` measures, and over which tokens.
void add_quality(OptionSet& options, BenchQualityCommand& command);

/// Whether its options go together. Throws UsageError.
void check_quality(const BenchQualityCommand& command);

}  // namespace tessera
