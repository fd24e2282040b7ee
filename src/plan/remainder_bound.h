#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plan/instance.h"

namespace tessera {

/// Lower bounds of what is still to be placed costs, whatever the cuts and the order: each layer
/// goes to the cheapest device that is free, at that device's cheapest layer, until the device
/// holds its longest run; head and vision tower displace layers from where they cost least.
/// Nearly exact for equal layers and equal links, which is what models and machines have.
class RemainderBound {
 public:
  /// For plans whose peaks are at most `cap`. Keeps a reference to the instance.
  RemainderBound(const Instance& instance, int64_t cap);

  /// Sum for the last `remaining` layers (at least 1) and the units `pending` on devices that are
  /// not in `used`, the head and the links to them included; kNever when they have no room. Rows
  /// are made when asked for.
  int64_t sum(uint32_t used, int remaining, OffChain pending);

  /// Sum for everything: no plan is below it.
  int64_t total();

  /// No more layers than this fit on the devices that are not in `used`.
  int free_layers(uint32_t used);

 private:
  // A unit beside the layers, on a device of one class: what it costs there, and by how many layers
  // the device's longest run gets shorter; empty when it does not fit there.
  struct Guest {
    bool fits = false;
    int64_t sum = 0;
    int displaced = 0;
  };
  struct Cost {
    int64_t sum = 0, displacement = kNever;
    int64_t total() const { return std::min(kNever, sum + displacement); }
  };
  // The free devices as places for one layer each, cheapest first, and where each class's begin.
  struct Places {
    std::vector<int64_t> prefix;  ///< cost of the cheapest n
    std::vector<int> begin;
  };

  Guest guest_head(size_t c, int64_t cap) const;
  Guest guest_vision(size_t c, int64_t cap) const;
  Places places_of(uint32_t used) const;
  int64_t displacement(const Places& places, uint32_t used, size_t c, int displaced, int m) const;
  std::vector<Cost> guest_costs(const std::vector<Guest>& guests, const Places& places,
                                uint32_t used, int m) const;
  static int64_t least(const std::vector<Cost>& heads, const std::vector<Cost>* visions);
  int fewest_left(uint32_t used) const;
  void fill_row(uint32_t used, bool vision, std::vector<int64_t>& row) const;
  void add_links(uint32_t used, std::vector<int64_t>& row) const;

  const Instance& instance_;
  std::vector<int> longest_;                 ///< by class
  std::vector<int64_t> cheapest_;            ///< layer, by class
  std::vector<Guest> heads_, visions_;       ///< by class
  std::vector<size_t> by_cost_, by_length_;  ///< classes, best first
  int64_t cheapest_link_ = kNever, embedding_sum_ = kNever;
  std::vector<std::vector<int64_t>> rows_;  ///< [used x vision pending], when made
  std::vector<int> free_layers_;            ///< [used]; -1: not yet known
};

/// The smallest cap under which the free devices can hold all layers: no plan's largest peak is
/// below it.
int64_t peak_floor(const Instance& instance);

}  // namespace tessera
