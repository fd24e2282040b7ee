#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/units.h"
#include "device/device.h"
#include "device/virtual_stream.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Small buffers share pages; larger ones are mapped, so that freeing them gives the memory back.
constexpr uint64_t kMapBytes = 128 * kKiB;
constexpr uint64_t kHugePageBytes = 4 * kMiB;  // from here on two huge pages or more
constexpr uint64_t kPrefaultBytes = 2 * kMiB;  // at a time: a huge page
constexpr uint64_t kAlignment = 64;            // a cache line, and the widest vector

// The cores that no worker of the pool is pinned to (worker i, from 1 on, sits on cpus[i]); all of
// them where the workers take every one.
std::vector<int> stream_cpus(const DeviceInfo& info) {
  const auto threads = static_cast<size_t>(info.threads);
  if (threads > info.cpus.size()) return info.cpus;
  std::vector<int> cpus = {info.cpus.front()};
  cpus.insert(cpus.end(), info.cpus.begin() + info.threads, info.cpus.end());
  return cpus;
}

class VirtualDevice final : public Device {
 public:
  explicit VirtualDevice(DeviceInfo device_info)
      : Device(std::move(device_info)), pool_(info().threads, info().cpus) {}

  std::unique_ptr<Stream> open_stream(std::string_view name) override {
    return std::make_unique<VirtualStream>(*this, pool_, std::string(name), stream_cpus(info()));
  }
  std::unique_ptr<Event> make_event() override { return std::make_unique<HostEvent>(); }
  void write(void* to, std::span<const std::byte> from) override {
    std::memcpy(to, from.data(), from.size());
  }
  void read(std::span<std::byte> to, const void* from) override {
    std::memcpy(to.data(), from, to.size());
  }

 private:
  void* take(uint64_t bytes, MemoryKind kind, std::string_view what) override;
  void give_back(void* data, uint64_t bytes) noexcept override;
  void prefault(void* data, uint64_t bytes);
  bool in_host_memory() const override { return true; }

  WorkerPool pool_;
};

void* VirtualDevice::take(uint64_t bytes, MemoryKind kind, std::string_view) {
  void* data = nullptr;
  if (bytes < kMapBytes) {
    data = std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
  } else {
    data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) data = nullptr;
  }
  if (data == nullptr)
    throw Error({.where = info().name,
                 .what = fmt::format("the host has no {} of memory left", format_bytes(bytes)),
                 .hint = "the device's budget is larger than what the machine can give"});
  // A wish: without huge pages the memory is the same, a little slower.
  if (bytes >= kHugePageBytes) ::madvise(data, bytes, MADV_HUGEPAGE);
  if (bytes >= kMapBytes && (kind == MemoryKind::kArena || kind == MemoryKind::kKv))
    prefault(data, bytes);
  return data;
}

// What nothing is loaded into: a step would wait for the kernel to clear it, caches of all layers
// at once whenever sequences reach a new page.
void VirtualDevice::prefault(void* data, uint64_t bytes) {
#ifdef MADV_POPULATE_WRITE  // since Linux 5.14, and a wish too
  const auto pieces = static_cast<int64_t>(round_up(bytes, kPrefaultBytes) / kPrefaultBytes);
  pool_.for_each(pieces, [=](int64_t piece) {
    const uint64_t first = static_cast<uint64_t>(piece) * kPrefaultBytes;
    ::madvise(static_cast<std::byte*>(data) + first, std::min(kPrefaultBytes, bytes - first),
              MADV_POPULATE_WRITE);
  });
#endif
}

void VirtualDevice::give_back(void* data, uint64_t bytes) noexcept {
  if (bytes < kMapBytes) {
    std::free(data);
  } else {
    ::munmap(data, bytes);
  }
}

}  // namespace

std::unique_ptr<Device> open_virtual_device(DeviceInfo info) {
  info.kind = DeviceKind::kVirtual;
  return std::make_unique<VirtualDevice>(std::move(info));
}

}  // namespace tessera
