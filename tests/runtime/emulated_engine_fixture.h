#pragma once

#include <optional>

#include "cuda_emulator/control.h"
#include "tests/runtime/cuda_engine_fixture.h"

namespace tessera {

/// Engines over emulated GPUs that a test sets up, slows down and breaks.
class CudaEngine : public OnGpus {
 protected:
  ~CudaEngine() override { mend_emulated_machine(); }

  struct Gpus {
    int gpus = 3;
    uint64_t bytes = 256 * kMiB;
    std::optional<ThreadOrder> order = {};  ///< else the environment's
    uint64_t seed = 1;
  };
  static void set_up(const Gpus& wanted) {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = wanted.gpus;
    machine.gpu_bytes = wanted.bytes;
    machine.kernels_seen = false;
    if (wanted.order) {
      machine.order = *wanted.order;
      machine.seed = wanted.seed;
    }
    set_up_emulated_machine(machine);
  }
};

}  // namespace tessera
