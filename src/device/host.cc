#include "device/host.h"

#include <algorithm>
#include <set>

#include "base/units.h"
#include "device/cgroup.h"
#include "device/system_text.h"
#include "device/topology.h"

namespace tessera {
namespace {

// A "key:  123 kB" line as bytes; 0 where there is none.
uint64_t kilobytes_after(const std::string& text, std::string_view key) {
  const int64_t kilobytes = integer_after(text, key).value_or(0);
  return kilobytes > 0 ? static_cast<uint64_t>(kilobytes) * kKiB : 0;
}

}  // namespace

int HostInfo::usable_cores() const {
  std::set<int> different;
  for (const HostCpu& cpu : cpus) different.insert(cpu.core);
  auto usable = static_cast<int>(different.size());
  if (cpu_quota > 0) usable = static_cast<int>(std::min<double>(usable, cpu_quota));
  return std::max(usable, 1);
}

HostInfo read_host_info(const HostSource& source) {
  HostInfo host;
  read_topology(source.synthetic_topology, host);

  const std::string meminfo = read_system_text(source.root + "/proc/meminfo").value_or("");
  const CgroupLimits limits = read_cgroup_limits(source.root);
  host.cpu_quota = limits.cpus;
  host.memory_bytes = std::min(kilobytes_after(meminfo, "MemTotal:"), limits.memory_bytes);
  host.available_bytes =
      std::min(kilobytes_after(meminfo, "MemAvailable:"), limits.available_bytes);
  return host;
}

ProcessMemory read_process_memory(const HostSource& source) {
  const std::string status = read_system_text(source.root + "/proc/self/status").value_or("");
  return {.resident_bytes = kilobytes_after(status, "VmRSS:"),
          .peak_bytes = kilobytes_after(status, "VmHWM:")};
}

PeakMemory::PeakMemory(HostSource source) : source_(std::move(source)) {
  set_back_ = write_system_text(source_.root + "/proc/self/clear_refs", "5");
  before_bytes_ = read_process_memory(source_).peak_bytes;
  sample();
}

void PeakMemory::sample() {
  if (!set_back_)
    sampled_bytes_ = std::max(sampled_bytes_, read_process_memory(source_).resident_bytes);
}

uint64_t PeakMemory::bytes() const {
  const ProcessMemory now = read_process_memory(source_);
  if (set_back_ || now.peak_bytes > before_bytes_) return now.peak_bytes;
  return std::max(sampled_bytes_, now.resident_bytes);
}

}  // namespace tessera
