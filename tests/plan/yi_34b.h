#pragma once

#include <vector>

#include "plan/problem.h"

namespace tessera {

/// Yi-VL-34B from its published shapes: 60 layers, 7168 wide, 20480 in the MLP, 56 heads on 8 KV
/// heads of 128, 64000 words, a vision tower of 1.29 GiB that makes 1024 rows of a picture.
/// One 4096-token sequence, a picture and a short question; bf16 unless told otherwise.
PlanProblem yi_34b(const std::vector<PlanDevice>& devices);

/// A 24 GiB RTX 3090 as a roofline: 936 GB/s x 0.88, 71 TFLOP/s x 0.7; 700 MiB kept for the
/// context and workspaces. `speed` scales both rates.
PlanDevice rtx_3090(int index, double speed = 1);

/// A 10 GiB RTX 3080: 760 GB/s x 0.88, 59.5 TFLOP/s x 0.7.
PlanDevice rtx_3080(int index);

/// All devices at the same distance: 12 GB/s and 20 us, to and from the host as well.
PlanLinks equal_links(size_t devices);

/// `layers` equal layers of 1 GiB on devices and links that all differ, as in the search-time
/// targets; about nine tenths of the memory is needed.
PlanProblem all_different(int layers, int devices);

}  // namespace tessera
