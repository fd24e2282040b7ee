#pragma once

#include <string>

#include "device/host.h"

namespace tessera {

/// Fills in what hwloc knows: processor, packages to threads, caches, NUMA nodes, cpus. A synthetic
/// description ("pack:2 core:4 pu:2"), when not empty, takes the machine's place.
void read_topology(const std::string& synthetic, HostInfo& host);

}  // namespace tessera
