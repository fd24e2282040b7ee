#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "plan/problem.h"
#include "plan/sensitivities.h"

namespace tessera {

/// The precisions of a plan's layers and head. Throws Error about `where` (the plan's file) unless
/// it covers `layers` layers, each once and in order, none of them above `highest` or in fp8.
Profile profile_of_plan(const Plan& plan, int64_t layers, Precision highest,
                        const std::string& where);

/// Each layer and the head in a precision drawn from two or more of `precisions` (of which there
/// are as many), themselves drawn: so that of many profiles some are nearly the best one and some
/// nearly the worst. Heads stay at int8 or above.
Profile random_profile(std::span<const Precision> precisions, int64_t layers, std::mt19937& random);

/// The sum of what its units were measured to cost alone.
double predicted_loss(const Sensitivities& measured, const Profile& profile);

}  // namespace tessera
