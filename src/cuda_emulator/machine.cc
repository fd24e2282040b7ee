#include "cuda_emulator/machine.h"

#include <algorithm>

#include "cuda_emulator/sanitizers.h"

namespace tessera {

Machine& machine() {
  static auto* const machine = new Machine;
  return *machine;
}

Machine::Machine() {
  reset(emulated_machine_of_environment());
}

void Machine::reset(const EmulatedMachine& wanted) {
  settings = wanted;
  gpus.assign(wanted.gpus, {});
  allocations.clear();
  std::erase_if(streams, [](const auto& stream) { return stream->queue.empty() && !stream->busy; });
  executables.clear();
  dynamic_shared_limits.clear();
  links.clear();
  unreachable.clear();
  failures.clear();
  calls.clear();
  host_clock_us = 0;
  random = Seeded(wanted.seed);
}

const Allocation* Machine::find(const void* data, size_t bytes) const {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return nullptr;
  const auto& [start, allocation] = *std::prev(after);
  return address - start + bytes <= allocation.bytes ? &allocation : nullptr;
}

bool Machine::is_stream(cudaStream_t stream) const {
  return std::any_of(streams.begin(), streams.end(),
                     [&](const auto& known) { return known.get() == stream && !known->destroyed; });
}

double Machine::copy_us(int from, int to, size_t bytes) const {
  double bytes_per_s = settings.link_bytes_per_s;
  if (const auto link = links.find({from, to}); link != links.end()) {
    bytes_per_s = link->second;
  } else if (from == to) {
    bytes_per_s = settings.memory_bytes_per_s / 2;  // read and written
  }
  return settings.op_us + static_cast<double>(bytes) / bytes_per_s * 1e6;
}

void Machine::open_memory(bool open) {
  if (open == memory_open) return;
  memory_open = open;
  if (!settings.trap_host) return;
  for (const auto& [address, allocation] : allocations)
    if (allocation.device != kHostMemory) allow_access(allocation.pages, open);
}

}  // namespace tessera
