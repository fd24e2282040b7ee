#pragma once

#include "base/isa.h"
#include "tessera/precision.h"

namespace tessera {

/// Keeps the calling thread's multipliers busy for a few milliseconds, in registers and with the
/// instructions that the matmul kernels of `isa` use for such weights. Returns the operations done,
/// two for a multiply and add: divided by the time, what no kernel can beat on this thread. 0 where
/// the kernels are plain.
double run_multipliers(Isa isa, Precision precision);

}  // namespace tessera
