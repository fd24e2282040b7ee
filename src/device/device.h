#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/isa.h"
#include "device/ledger.h"
#include "device/stream.h"

namespace tessera {

enum class DeviceKind : uint8_t { kVirtual, kSimulated, kCuda };

/// What a device is, fixed when it is opened.
struct DeviceInfo {
  std::string name;  ///< "cpu:0", "sim:1", "cuda:0"; unique among the open devices
  DeviceKind kind = DeviceKind::kVirtual;
  uint64_t budget_bytes = 0;
  uint64_t granule_bytes = 64;  ///< every allocation is rounded up to this

  int threads = 1;             ///< virtual: workers, the stream's own thread counted
  std::vector<int> cpus = {};  ///< virtual: cores to pin them to; empty: the scheduler's choice
  Isa isa = best_isa();        ///< virtual: what its kernels may use
  double speed = 1;            ///< virtual: below 1, every op is stretched to 1/speed of its time

  bool graphs = false;    ///< CUDA: what Stream::replay repeats runs as a graph
  bool cublaslt = false;  ///< CUDA: bf16 matmuls of many rows go to cuBLASLt, which must be there

  double link_bytes_per_s = 0;  ///< to and from other devices; 0: as fast as memory
  double link_latency_s = 0;

  // Simulated devices run by these; on the others they are what was measured (0: not yet).
  double read_bytes_per_s = 0;
  double flops_per_s = 0;
  double op_overhead_s = 0;
  double jitter = 0;  ///< simulated: standard deviation of a step's time, as a share of it
};

class DeviceBuffer;
class HostBuffer;

/// What the kernels ask of weights: a cache line, and the widest vector.
inline constexpr uint64_t kAdoptAlignment = 64;

/// One place where tensors live and ops run. Thread-safe. Outlives its buffers, streams and events.
class Device {
 public:
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  Ledger& ledger() { return ledger_; }
  const Ledger& ledger() const { return ledger_; }

  /// `bytes` rounded up to the granule, booked in the ledger for `owner`; contents undefined.
  /// Throws Error when the budget, or the machine, does not have them. A simulated device books and
  /// gives a buffer whose data() is null.
  DeviceBuffer allocate(uint64_t bytes, MemoryKind kind, std::string_view owner);

  /// Bytes [offset, offset + bytes) of a file as a buffer that nobody may write, booked like any
  /// other. A device whose memory is the host's keeps the mapping and copies nothing; another
  /// allocates and copies before it returns. Throws Error as allocate does, and when the file has
  /// not that many bytes.
  ///   offset   a multiple of kAdoptAlignment
  DeviceBuffer adopt(MappedFile file, uint64_t offset, uint64_t bytes, MemoryKind kind,
                     std::string_view owner);

  /// Host memory that this device's copies reach without a detour: pinned, of a CUDA device. Not
  /// booked, for it is not the device's. To be taken at load: pinning is slow and may wait for what
  /// runs. Throws Error when the machine has no more.
  HostBuffer allocate_host(uint64_t bytes);

  /// Copy between host memory and this device's; return once that is done. They wait for no stream:
  /// the caller knows that nothing else is at work on these bytes. Nothing on a simulated device.
  /// Throw the Error of a device that is lost.
  virtual void write(void* to, std::span<const std::byte> from) = 0;
  virtual void read(std::span<std::byte> to, const void* from) = 0;

  virtual std::unique_ptr<Stream> open_stream(std::string_view name) = 0;
  /// A stream whose work gives way to that of the others, where the device can tell them apart.
  virtual std::unique_ptr<Stream> open_background_stream(std::string_view name) {
    return open_stream(name);
  }
  virtual std::unique_ptr<Event> make_event() = 0;

  /// Throws the Error of a device that is lost, also when no work has shown it yet. Asks the driver
  /// and waits for no stream: cheap enough for every second. From any thread.
  virtual void check_alive() {}

 protected:
  explicit Device(DeviceInfo info);

 private:
  friend class DeviceBuffer;
  friend class HostBuffer;
  uint64_t booked_bytes(uint64_t bytes) const;
  // `kind` says what becomes of it, `what` does so in messages: "weights of layer 3". Throws Error
  // when the machine has no more.
  virtual void* take(uint64_t bytes, MemoryKind kind, std::string_view what) = 0;
  virtual void give_back(void* data, uint64_t bytes) noexcept = 0;
  virtual bool in_host_memory() const = 0;
  virtual void* take_host(uint64_t bytes);
  virtual void give_back_host(void* data) noexcept;

  const DeviceInfo info_;
  Ledger ledger_;
};

/// Owns bytes on one device, or the file that they are mapped from, and frees them. Moves; does not
/// copy. All other code holds a Tensor, which never frees.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;  ///< owns nothing
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  void* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }
  Device* device() const { return device_; }

 private:
  friend class Device;
  DeviceBuffer(Device& device, void* data, uint64_t bytes, MemoryKind kind, std::string owner,
               std::optional<MappedFile> file = std::nullopt);

  Device* device_ = nullptr;
  void* data_ = nullptr;
  uint64_t bytes_ = 0;
  MemoryKind kind_ = MemoryKind::kFixed;
  std::string owner_;
  std::optional<MappedFile> file_;  // adopted: holds the memory instead of the device
};

/// Owns host memory beside a device (Device::allocate_host) and frees it; gone before the device.
/// Moves; does not copy.
class HostBuffer {
 public:
  HostBuffer() = default;  ///< owns nothing

  std::byte* data() const { return data_.get(); }
  uint64_t bytes() const { return bytes_; }
  template <typename T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data()), bytes_ / sizeof(T)};
  }

 private:
  friend class Device;
  struct Free {
    Device* device;
    void operator()(std::byte* data) const noexcept { device->give_back_host(data); }
  };
  HostBuffer(Device& device, void* data, uint64_t bytes)
      : data_(static_cast<std::byte*>(data), Free{&device}), bytes_(bytes) {}

  std::unique_ptr<std::byte, Free> data_{nullptr, Free{nullptr}};
  uint64_t bytes_ = 0;
};

/// CPU memory with an enforced budget, worker threads of its own, one thread more per stream.
std::unique_ptr<Device> open_virtual_device(DeviceInfo info);

/// No memory and no threads: run() and copy() advance a clock of the stream by their cost, an event
/// carries its time from stream to stream, bodies are never called.
std::unique_ptr<Device> open_simulated_device(DeviceInfo info);

}  // namespace tessera
