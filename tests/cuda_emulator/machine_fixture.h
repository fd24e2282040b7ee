#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "cuda_emulator/control.h"

namespace tessera {

/// A new machine of three GPUs for every test, in the order that the environment asks for.
class EmulatedMachineTest : public testing::Test {
 protected:
  static constexpr uint64_t kGpuBytes = 1 << 20;

  void SetUp() override { set_up_emulated_machine(usual_machine()); }

  static EmulatedMachine usual_machine() {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = 3;
    machine.gpu_bytes = kGpuBytes;
    return machine;
  }

  static void set_up(ThreadOrder order) {
    EmulatedMachine machine = usual_machine();
    machine.order = order;
    set_up_emulated_machine(machine);
  }

  static void* allocated(size_t bytes) {
    void* data = nullptr;
    EXPECT_EQ(cudaMalloc(&data, bytes), cudaSuccess);
    return data;
  }
  static void* pinned(size_t bytes) {
    void* data = nullptr;
    EXPECT_EQ(cudaMallocHost(&data, bytes), cudaSuccess);
    return data;
  }
  static size_t free_bytes() {
    size_t free = 0, total = 0;
    EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
    return free;
  }
};

}  // namespace tessera
