#pragma once

#include <string>

#include "plan/problem.h"
#include "tessera/plan.h"

namespace tessera {

/// A plan written by `tessera plan --json`. Throws Error when the file is not such an object; says
/// nothing yet about any devices.
Plan read_plan_file(const std::string& path);

/// Throws Error about `where` (the plan's file) unless the plan can be laid out on the problem's
/// devices: its layout must hold (check_layout), for the context, the sequences and the format of
/// keys and values asked for.
/// Whether it is the best plan is not asked, nor what it says of times: the user's own split is
/// welcome.
void require_usable(const Plan& plan, const PlanProblem& problem, const std::string& where);

}  // namespace tessera
