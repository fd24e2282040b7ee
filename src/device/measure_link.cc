#include "device/measure_link.h"

#include <algorithm>
#include <cassert>

#include "base/units.h"

namespace tessera {
namespace {

constexpr uint64_t kMostBytes = 16 * kMiB, kSmallBytes = 4 * kKiB;
constexpr int kRounds = 6;

// One end of a copy: device memory, or the host's beside the other device.
struct End {
  End(Device* device, Device& beside, uint64_t bytes)
      : memory(device == nullptr ? DeviceBuffer()
                                 : device->allocate(bytes, MemoryKind::kFixed, "link measurement")),
        host(device == nullptr ? beside.allocate_host(bytes) : HostBuffer()) {}
  void* data() const { return memory.data() != nullptr ? memory.data() : host.data(); }

  DeviceBuffer memory;
  HostBuffer host;
};

}  // namespace

Link measure_link(Device* from, Device* to) {
  assert(from != nullptr || to != nullptr);
  Device& sender = from != nullptr ? *from : *to;
  uint64_t bytes = kMostBytes;
  for (Device* device : {from, to})
    if (device != nullptr) bytes = std::min(bytes, device->info().budget_bytes / 32);
  bytes = std::max(bytes, 2 * kSmallBytes);
  const End source(from, sender, bytes), sink(to, sender, bytes);
  const auto begin = sender.make_event(), end = sender.make_event();
  const auto stream = sender.open_stream("link");

  const auto best_s = [&](uint64_t count) {
    double best = 0;
    for (int round = 0; round < kRounds; ++round) {
      stream->record(*begin);
      stream->copy(sink.data(), to, source.data(), from, count);
      stream->record(*end);
      stream->synchronize();
      const double took_s = end->time_s() - begin->time_s();
      if (round == 0 || took_s < best) best = took_s;
    }
    return best;
  };
  (void)best_s(bytes);  // what is set up at the first copy
  const double small_s = best_s(kSmallBytes);
  const double rest_s = std::max(best_s(bytes) - small_s, 1e-9);
  return {.bytes_per_s = static_cast<double>(bytes - kSmallBytes) / rest_s, .latency_s = small_s};
}

}  // namespace tessera
