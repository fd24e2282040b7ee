#pragma once

#include <cstdint>
#include <string>

namespace tessera {

/// What the control groups of this process (version 1 or 2, and all groups above its own) allow.
struct CgroupLimits {
  double cpus = 0;                        ///< processors' worth of time; 0: no limit
  uint64_t memory_bytes = UINT64_MAX;     ///< the lowest limit
  uint64_t available_bytes = UINT64_MAX;  ///< the least that is left under any limit
};

/// `root` stands before /proc and the mount points. No cgroups, no limits.
/// Sources: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, proc(5).
CgroupLimits read_cgroup_limits(const std::string& root = "");

}  // namespace tessera
