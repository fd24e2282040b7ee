#pragma once

#include <cstdint>
#include <vector>

#include "plan/instance.h"

namespace tessera {

/// Lower bounds of what the layers still to be placed cost, whatever the cuts and the order: each
/// goes to the cheapest device that is free, at that device's cheapest layer, until the device
/// holds its longest run. Exact for equal layers and free links, which models nearly are.
class RemainderBound {
 public:
  /// For plans whose peaks are at most `cap`. Keeps a reference to the instance.
  RemainderBound(const Instance& instance, int64_t cap);

  /// Sum for the last `remaining` layers on devices that are not in `used`, the head and the
  /// links to them included; kNever when they cannot hold that many. Rows are made when asked for.
  int64_t sum(uint32_t used, int remaining);

 private:
  void fill_row(uint32_t used, std::vector<int64_t>& row) const;

  const Instance& instance_;
  std::vector<int> longest_;                 ///< by class
  std::vector<int64_t> cheapest_;            ///< layer, by class
  std::vector<size_t> by_cost_, by_length_;  ///< classes, best first
  int64_t cheapest_link_;
  std::vector<std::vector<int64_t>> rows_;  ///< by used-set, when made
};

/// The smallest cap under which the free devices can hold all layers: no plan's largest peak is
/// below it.
int64_t peak_floor(const Instance& instance);

}  // namespace tessera
