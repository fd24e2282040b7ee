#pragma once

#include <driver_types.h>

#include <string_view>
#include <vector>

// Wrong programs, each wrong in one way. The emulator is judged by what it finds in them.

namespace tessera {

struct PlantedBug {
  std::string_view name;
  void (*run)(const float* x, float* out, cudaStream_t stream);
};

inline constexpr int kPlantedThreads = 128;

/// In kernels of kPlantedThreads threads: `x` holds as many floats and no more, `out` too.
std::vector<PlantedBug> planted_kernel_bugs();

/// In what the host does with streams, events and memory of GPU 0 and 1; `x` and `out` as above, of
/// GPU 0.
std::vector<PlantedBug> planted_host_bugs();

}  // namespace tessera
