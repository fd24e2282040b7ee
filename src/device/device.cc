#include "device/device.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/units.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void check(const DeviceInfo& info, const char* key, bool right, const char* expected,
           double found) {
  if (!right)
    throw Error(
        {.where = info.name, .what = key, .expected = expected, .found = fmt::format("{}", found)});
}

void check_rate(const DeviceInfo& info, const char* key, double value) {
  check(info, key, std::isfinite(value) && value >= 0, "a number, 0 or more", value);
}

DeviceInfo checked(DeviceInfo info) {
  check(info, "granule", info.granule_bytes > 0, "1 byte or more",
        static_cast<double>(info.granule_bytes));
  check(info, "threads", info.threads >= 1, "1 or more", info.threads);
  for (const int cpu : info.cpus) check(info, "cpus", cpu >= 0, "numbers of cores", cpu);
  check(info, "speed", info.speed > 0 && info.speed <= 1, "above 0, at most 1", info.speed);
  check_rate(info, "link", info.link_bytes_per_s);
  check_rate(info, "link latency", info.link_latency_s);
  check_rate(info, "read bandwidth", info.read_bytes_per_s);
  check_rate(info, "matmul rate", info.flops_per_s);
  check_rate(info, "op overhead", info.op_overhead_s);
  return info;
}

}  // namespace

Device::Device(DeviceInfo info)
    : info_(checked(std::move(info))), ledger_(info_.name, info_.budget_bytes) {}

uint64_t Device::booked_bytes(uint64_t bytes) const {
  // A size near 2^64 must not wrap to a small one: the ledger refuses it as it stands.
  const bool wraps = bytes > UINT64_MAX - info_.granule_bytes;
  return wraps ? bytes : round_up(bytes, info_.granule_bytes);
}

DeviceBuffer Device::allocate(uint64_t bytes, MemoryKind kind, std::string_view owner) {
  const uint64_t rounded = booked_bytes(bytes);
  if (rounded == 0) return {};
  std::string name(owner);
  ledger_.charge(kind, name, rounded);
  try {
    void* data = take(rounded, kind, describe_request(kind, owner));
    return {*this, data, rounded, kind, std::move(name)};
  } catch (...) {
    ledger_.release(kind, name, rounded);
    throw;
  }
}

DeviceBuffer Device::adopt(MappedFile file, uint64_t offset, uint64_t bytes, MemoryKind kind,
                           std::string_view owner) {
  assert(offset % kAdoptAlignment == 0);
  const std::span<const std::byte> held = file.bytes();
  if (offset > held.size() || bytes > held.size() - offset)
    throw Error({.where = file.path(),
                 .expected = fmt::format("{} bytes from byte {}", bytes, offset),
                 .found = fmt::format("{} bytes", held.size())});
  const std::span<const std::byte> from = held.subspan(offset, bytes);
  if (!in_host_memory()) {
    DeviceBuffer buffer = allocate(bytes, kind, owner);
    write(buffer.data(), from);
    return buffer;
  }
  const uint64_t booked = booked_bytes(bytes);
  std::string name(owner);
  ledger_.charge(kind, name, booked);
  return {*this,          const_cast<std::byte*>(from.data()), booked, kind, std::move(name),
          std::move(file)};
}

HostBuffer Device::allocate_host(uint64_t bytes) {
  if (bytes == 0) return {};
  return {*this, take_host(bytes), bytes};
}

void* Device::take_host(uint64_t bytes) {
  void* data = std::aligned_alloc(kAdoptAlignment, round_up(bytes, kAdoptAlignment));
  if (data == nullptr)
    throw Error({.where = info_.name,
                 .what = fmt::format("no {} of host memory left", format_bytes(bytes))});
  return data;
}

void Device::give_back_host(void* data) noexcept {
  std::free(data);
}

DeviceBuffer::DeviceBuffer(Device& device, void* data, uint64_t bytes, MemoryKind kind,
                           std::string owner, std::optional<MappedFile> file)
    : device_(&device),
      data_(data),
      bytes_(bytes),
      kind_(kind),
      owner_(std::move(owner)),
      file_(std::move(file)) {}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : device_(std::exchange(other.device_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      kind_(other.kind_),
      owner_(std::move(other.owner_)),
      file_(std::exchange(other.file_, std::nullopt)) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  DeviceBuffer taken(std::move(other));  // what this held is freed here, not at other's end
  std::swap(device_, taken.device_);
  std::swap(data_, taken.data_);
  std::swap(bytes_, taken.bytes_);
  std::swap(kind_, taken.kind_);
  std::swap(owner_, taken.owner_);
  std::swap(file_, taken.file_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (device_ == nullptr) return;
  // The memory first: no one may book bytes that are still held.
  if (file_) {
    file_.reset();
  } else {
    device_->give_back(data_, bytes_);
  }
  device_->ledger().release(kind_, owner_, bytes_);
}

}  // namespace tessera
