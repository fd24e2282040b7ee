#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "device/cuda_device.h"
#include "runtime/load_plan.h"
#include "runtime/model_weights.h"

namespace tessera {

inline constexpr uint64_t kLoadBudget = 48 * kMiB;

using Devices = std::vector<std::unique_ptr<Device>>;

inline Devices three_gpus() {
  Devices devices;
  const size_t cards = kCudaEmulated ? 3 : find_cuda_cards().size();
  for (size_t i = 0; i < 3; ++i)
    devices.push_back(
        open_cuda_device(static_cast<int>(i % cards), {.name = fmt::format("cuda:{}", i),
                                                       .kind = DeviceKind::kCuda,
                                                       .budget_bytes = kLoadBudget}));
  return devices;
}

inline Devices one_cpu() {
  Devices devices;
  devices.push_back(open_virtual_device({.name = "cpu:0", .budget_bytes = kLoadBudget}));
  return devices;
}

// All units of a model, dealt out to the devices in turn.
struct LoadedUnits {
  LoadedUnits(const std::string& dir, Precision wanted, Devices on)
      : model(describe_model(read_model_config(dir))),
        weights(ModelWeights::open(model)),
        devices(std::move(on)) {
    for (const UnitSpec* unit : model.units()) {
      Device& device = *devices[targets.size() % devices.size()];
      const Precision precision = stored_precision(unit->kind, wanted);
      buffers.push_back(weights_memory(*unit, precision, device, weights.packed()));
      targets.push_back(
          {.unit = unit, .precision = precision, .device = &device, .data = buffers.back().data()});
    }
  }
  LoadResult load(const LoadOptions& options = {}, const CancelFlag* cancel = nullptr) {
    return weights.load(targets, options, {}, cancel);
  }

  ModelSpec model;
  ModelWeights weights;
  Devices devices;
  std::vector<DeviceBuffer> buffers;
  std::vector<LoadTarget> targets;
};

}  // namespace tessera
