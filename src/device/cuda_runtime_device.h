#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "device/cuda_calls.h"
#include "device/cuda_device.h"
#include "device/cuda_event.h"
#include "device/cuda_gemms.h"
#include "device/cuda_handles.h"
#include "device/device.h"

namespace tessera {

/// A CUDA device: a share of a card's memory, with streams of its own.
class CudaRuntimeDevice final : public Device {
 public:
  CudaRuntimeDevice(int card, DeviceInfo info, std::shared_ptr<CudaCardBytes> card_bytes);

  std::unique_ptr<Stream> open_stream(std::string_view name) override;
  std::unique_ptr<Stream> open_background_stream(std::string_view name) override;
  std::unique_ptr<Event> make_event() override;
  void check_alive() override;
  void write(void* to, std::span<const std::byte> from) override;
  void read(std::span<std::byte> to, const void* from) override;

  // For the streams.
  const CudaCalls& calls() const { return calls_; }
  int processors() const { return processors_; }
  int capability() const { return capability_; }
  CudaGemms* gemms() { return gemms_ ? &*gemms_ : nullptr; }  ///< where DeviceInfo::cublaslt
  /// Whether this card reaches the memory of the other's card by itself; sees to it that it does.
  bool sees(const CudaRuntimeDevice& other);

  /// Scratch memory of a stream that launches kernels; goes back to the device at its end.
  class Workspace {
   public:
    explicit Workspace(CudaRuntimeDevice& device)
        : device_(device), buffer_(device.take_workspace()) {}
    ~Workspace() { device_.give_back_workspace(std::move(buffer_)); }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    const DeviceBuffer& buffer() const { return buffer_; }

   private:
    CudaRuntimeDevice& device_;
    DeviceBuffer buffer_;
  };

 private:
  void* take(uint64_t bytes, MemoryKind kind, std::string_view what) override;
  void give_back(void* data, uint64_t bytes) noexcept override;
  bool in_host_memory() const override { return false; }
  void* take_host(uint64_t bytes) override;
  void give_back_host(void* data) noexcept override;

  DeviceBuffer make_workspace();
  DeviceBuffer take_workspace();
  void give_back_workspace(DeviceBuffer workspace) noexcept;
  void transfer(void* to, const void* from, uint64_t bytes, cudaMemcpyKind kind);

  [[noreturn]] void refuse(uint64_t bytes, std::string_view what) const;

  const CudaCalls calls_;
  const std::shared_ptr<CudaCardBytes> card_bytes_;
  int processors_ = 0, capability_ = 0;
  std::optional<CudaClock> clock_;

  std::mutex transfer_mutex_;
  std::optional<CudaStreamHandle> transfer_stream_;

  std::mutex peers_mutex_;
  std::map<int, bool> peers_;  // by card: whether this one sees it

  std::mutex workspace_mutex_;
  std::vector<DeviceBuffer> workspaces_;  // that no stream has

  std::optional<CudaGemms> gemms_;
};

}  // namespace tessera
