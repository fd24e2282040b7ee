#pragma once

#include <cstdint>

#include "plan/problem.h"

namespace tessera {

struct RandomShape {
  int max_layers = 7, max_devices = 4;
  bool mixed_precision = false;  ///< three precisions a layer, too little memory for the best
};

/// A small problem with everything unequal: layers, memory, speeds, links, granules. One in four
/// has equal devices among the others; one in three no vision tower; one in three no room for the
/// embedding on the host. Most fit, with little to spare. The same seed gives the same problem.
PlanProblem random_problem(uint32_t seed, const RandomShape& shape = {});

}  // namespace tessera
