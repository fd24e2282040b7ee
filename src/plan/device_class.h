#pragma once

#include <cstdint>
#include <vector>

#include "plan/problem.h"

namespace tessera {

/// Devices that the planner cannot tell apart: equal numbers and equal links to all others. Orders
/// that differ only inside a class are one plan.
struct DeviceClass {
  std::vector<int> members;  ///< indices into the problem's devices, ascending
};

/// Sorted by first member. Throws Error when there are more combinations of used devices than the
/// search can hold (16 different devices make 65536).
std::vector<DeviceClass> group_devices(const PlanProblem& problem);

/// Which devices are in use, as counts a class: digits of a number in mixed radix, count + 1 each.
class UsedDevices {
 public:
  explicit UsedDevices(const std::vector<DeviceClass>& classes);

  uint32_t states() const { return states_; }  ///< used-sets, from none (0) to all
  uint32_t with(uint32_t used, size_t c) const { return used + strides_[c]; }
  uint32_t without(uint32_t used, size_t c) const { return used - strides_[c]; }
  int count(uint32_t used, size_t c) const {
    return static_cast<int>(used / strides_[c] % static_cast<uint32_t>(sizes_[c] + 1));
  }
  int free(uint32_t used, size_t c) const { return sizes_[c] - count(used, c); }
  int size(size_t c) const { return sizes_[c]; }

 private:
  std::vector<int> sizes_;
  std::vector<uint32_t> strides_;
  uint32_t states_ = 1;
};

}  // namespace tessera
