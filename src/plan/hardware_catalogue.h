#pragma once

#include <string>
#include <vector>

#include "plan/device_spec.h"
#include "plan/problem.h"

namespace tessera {

/// A card as its maker describes it.
struct Hardware {
  std::string_view name;  ///< as in --devices
  uint64_t memory_bytes;
  double read_bytes_per_s;  ///< of its memory, by the data sheet
  double bf16_flops_per_s;  ///< dense, with f32 accumulation
  double int8_ops_per_s;    ///< dense
};

/// Every card that --devices knows by name.
std::vector<Hardware> known_hardware();

/// What the planner takes for an imagined device. Data-sheet rates are scaled to what kernels reach
/// in practice; "24GiB" is a card of that size that is otherwise an RTX 3090. Throws UsageError,
/// with the names there are, for one that is not known.
PlanDevice imagined_device(const DeviceSpec& spec, int number);

/// Links between imagined cards: PCIe 4.0 x16 through pinned host memory, as on boards whose driver
/// allows no direct copies between cards.
PlanLinks imagined_links(size_t devices);

}  // namespace tessera
