#pragma once

#include "cli/options.h"

namespace tessera {

/// Exit status: what was asked for could not be had. (Errors are thrown; see main.cc.)
inline constexpr int kDoneStatus = 0, kFailedStatus = 1, kUsageStatus = 2;

// Each does what its command asks and returns the exit status. Throws Error, UsageError, Cancelled.
int execute(const RunCommand& command);
int execute(const ChatCommand& command);
int execute(const PlanCommand& command);
int execute(const DevicesCommand& command);
int execute(const ServeCommand& command);
int execute(const BenchMachineCommand& command);
int execute(const BenchModelCommand& command);
int execute(const BenchQualityCommand& command);
int execute(const TokenizeCommand& command);
int execute(const PackCommand& command);
int execute(const ShowText& command);

}  // namespace tessera
