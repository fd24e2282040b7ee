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
  dynamic_shared_limits.clear();
  links.clear();
  unreachable.clear();
  failures.clear();
  report.clear();
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

double Machine::copy_bytes_per_s(int from, int to) const {
  if (const auto link = links.find({from, to}); link != links.end()) return link->second;
  if (from == to) return settings.memory_bytes_per_s / 2;  // read and written
  return settings.link_bytes_per_s;
}

}  // namespace tessera
