#pragma once

#include "plan/problem.h"

namespace tessera {

/// Why the problem does not fit with all units at `precision`, and what would: found by asking the
/// same search with more memory, a shorter context, other precisions, further devices.
WhyNot explain_why_not(const PlanProblem& problem, Precision precision);

}  // namespace tessera
