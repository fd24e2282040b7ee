#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "cuda_emulator/control.h"
#include "device/cuda_device.h"

namespace tessera {

/// Three emulated GPUs of 64 MiB, whole again at the end of each test; streams and threads take
/// turns as the environment says.
class EmulatedGpus : public testing::Test {
 protected:
  EmulatedGpus() {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = 3;
    machine.gpu_bytes = 64 * kMiB;
    set_up_emulated_machine(machine);
  }
  ~EmulatedGpus() override { mend_emulated_machine(); }
};

inline std::unique_ptr<Device> open_gpu(int card = 0, uint64_t budget_bytes = 16 * kMiB) {
  return open_cuda_device(card, {.name = "cuda:" + std::to_string(card),
                                 .kind = DeviceKind::kCuda,
                                 .budget_bytes = budget_bytes});
}

/// A buffer on a device with these numbers in it.
template <typename T>
DeviceBuffer upload(Device& device, const std::vector<T>& values) {
  DeviceBuffer buffer = device.allocate(values.size() * sizeof(T), MemoryKind::kArena, "test");
  device.write(buffer.data(), std::as_bytes(std::span(values)));
  return buffer;
}

template <typename T>
std::vector<T> download(Device& device, const DeviceBuffer& buffer, size_t count) {
  std::vector<T> values(count);
  device.read(std::as_writable_bytes(std::span(values)), buffer.data());
  return values;
}

}  // namespace tessera
