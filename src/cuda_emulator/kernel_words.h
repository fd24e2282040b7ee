#pragma once

// The host compiler's half of cuda/kernel.cuh: everything that a kernel file may use, with the
// meaning that it has on a GPU. CUDA's own words stand in the global namespace, as they do there;
// types, conversions and threadIdx are the toolkit's.

#include "cuda_emulator/atomic_words.h"
#include "cuda_emulator/launch.h"
#include "cuda_emulator/math_words.h"
#include "cuda_emulator/memory_words.h"
#include "cuda_emulator/tile_words.h"
#include "cuda_emulator/warp_words.h"

// The toolkit gives it to its own compiler only; ours checks what a launch asks for.
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif
