#pragma once

#include "tessera/precision.h"

namespace tessera {

/// What storing weights at `precision` is expected to harm, relative to the model's `own`: the
/// relative squared error t^2 of the format on Gaussian weights (of the integers as ops/quantise.h
/// makes them: tests/ops/quantise_test.cc measures it; fp8 by channel). 0 at or above the model's
/// own. The harm of a model is nearly the sum over its layers of alpha x t^2 (the linearity theorem
/// of HIGGS, arXiv:2411.17525), which is why losses may be added and the least sum looked for.
double default_loss(Precision precision, Precision own);

/// default_loss times alpha for a decoder layer nobody has probed: 3 for the first two and the last
/// two, else 1. A convention of mixed quantisation (the outer layers are kept finer), not measured.
double default_layer_loss(Precision precision, Precision own, int layer, int layers);

}  // namespace tessera
