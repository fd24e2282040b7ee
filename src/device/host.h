#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

/// One logical processor that this process may use.
struct HostCpu {
  int index;  ///< as the operating system numbers it, for DeviceInfo::cpus
  int core;   ///< equal for hyperthreads of one core
  int package;
  int numa_node;
};

struct NumaNode {
  int index;
  uint64_t memory_bytes;
};

/// The machine, and what of it this process may use.
struct HostInfo {
  std::string processor = {};  ///< "AMD EPYC 9654"; empty where the system does not say
  int packages = 0, cores = 0, threads = 0;
  uint64_t l1_bytes = 0, l2_bytes = 0, l3_bytes = 0;  ///< one cache of each level (L1: data)
  int l3_count = 0;
  std::vector<NumaNode> numa_nodes = {};

  std::vector<HostCpu> cpus = {};  ///< allowed by affinity and cpuset, neighbours side by side
  double cpu_quota = 0;          ///< processors' worth of time that the cgroup grants; 0: no limit
  uint64_t memory_bytes = 0;     ///< the machine's, or the cgroup's limit where that is lower
  uint64_t available_bytes = 0;  ///< what can still be allocated under both, without swapping

  /// Threads that can run at full speed at once: allowed cores (not hyperthreads), and no more than
  /// the quota pays for. At least 1.
  int usable_cores() const;
};

/// Where read_host_info looks; tests put a folder in place of / and an hwloc synthetic topology in
/// place of the machine's.
struct HostSource {
  std::string root = {};
  std::string synthetic_topology = {};
};

/// Throws Error when hwloc cannot read the machine. A fact that the system does not tell stays 0.
HostInfo read_host_info(const HostSource& source = {});

struct ProcessMemory {
  uint64_t resident_bytes = 0;  ///< in RAM now
  uint64_t peak_bytes = 0;      ///< the most that ever was
};
ProcessMemory read_process_memory(const HostSource& source = {});

/// The most memory that the process holds from here on: of some work, whatever was held before it.
/// It sets the system's own record back to what is resident now (Linux: 5 to /proc/self/clear_refs,
/// proc(5)), for the whole process. Where that is not permitted, an earlier peak may hide a later
/// one: then the most that sample() saw counts, or what is resident in the end. One thread at a
/// time.
class PeakMemory {
 public:
  explicit PeakMemory(HostSource source = {});

  void sample();           ///< costs nothing where the record could be set back
  uint64_t bytes() const;  ///< since the constructor

 private:
  const HostSource source_;
  bool set_back_ = false;
  uint64_t before_bytes_ = 0;   // the record at the beginning
  uint64_t sampled_bytes_ = 0;  // the most that was seen
};

}  // namespace tessera
