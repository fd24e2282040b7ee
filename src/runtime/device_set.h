#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/isa.h"
#include "device/cuda_device.h"
#include "device/device.h"
#include "ops/rates.h"
#include "plan/device_spec.h"
#include "plan/problem.h"
#include "tessera/log.h"

namespace tessera {

/// The devices that an engine runs on, opened in the order of the list, and the host's memory as a
/// device of its own (for the token embedding).
struct DeviceSet {
  std::vector<std::unique_ptr<Device>> devices;
  std::unique_ptr<Device> host;
  std::map<const Device*, CudaCard> cards = {};  ///< of those that are a card, or a share of one

  bool all_cuda() const { return cards.size() == devices.size(); }
};

/// Opens what the list names; "auto": all GPUs, or the CPU where there are none. Throws UsageError
/// for hardware that only a plan can have, Error for a device that is not there or has less memory
/// than asked. `log` hears why "auto" leaves GPUs alone; may be empty.
DeviceSet open_devices(const std::vector<DeviceSpec>& specs, const LogSink& log = {});

/// What the planner knows about devices.
struct DescribedDevices {
  std::vector<PlanDevice> devices;
  PlanLinks links;
};

/// Measured rates, those of keys and values in the format given; links between CPU devices as they
/// were asked for, others measured. What was measured before is taken from the file
/// (calibration.h).
DescribedDevices describe_devices(const DeviceSet& set, KvFormat kv);

/// What a virtual device of so many threads and these instructions reaches, measured on one opened
/// for it.
KernelRates measure_rates(int threads, Isa isa);

/// Throws Error when the host has less memory than `bytes` left, before any of it is taken.
void require_host_memory(uint64_t bytes);

}  // namespace tessera
