#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/worker_pool.h"
#include "device/cuda_event.h"
#include "device/cuda_handles.h"
#include "device/cuda_replays.h"
#include "device/cuda_runtime_device.h"
#include "device/cuda_staged_copy.h"
#include "device/cuda_stream.h"
#include "tessera/error.h"

namespace tessera {

/// The stream of a CUDA device: one of the driver's. Work for the host (run()) goes through it in
/// its order, on a thread of the driver.
class CudaRuntimeStream final : public CudaStream {
 public:
  static constexpr size_t kHostCalls = 32;  ///< that may wait; one more makes the submitter wait

  /// The device's card is the current one. `device` outlives the stream.
  CudaRuntimeStream(CudaRuntimeDevice& device, std::string name, bool background);
  ~CudaRuntimeStream() override;

  Device& device() const override { return device_; }
  void run(const Cost& cost, const Work& work) override;
  void copy(void* to, Device* to_device, const void* from, Device* from_device,
            uint64_t bytes) override;
  void skip_when(const CancelFlag* flag) override { skip_when_ = flag; }
  void replay(const ReplayKey& key, const std::function<void()>& submit) override;
  void record(Event& event) override;
  void wait(Event& event) override;
  void synchronize() override;
  void check() const override;

 private:
  struct HostCall {
    CudaRuntimeStream* stream;
    const CancelFlag* skip_when;
    Work work;
    std::atomic<bool> waiting{false};
  };

  const CudaQueue* begin_launch() override;
  void fail(std::exception_ptr error) noexcept override;
  void break_by(std::exception_ptr error) noexcept;
  cudaGraph_t captured(const std::function<void()>& submit);
  template <typename Body>
  void attempt(const Body& body) noexcept;
  bool skipping() const;
  std::optional<Error> fault() const;
  void copy_between_cards(void* to, CudaRuntimeDevice& to_device, const void* from,
                          CudaRuntimeDevice& from_device, uint64_t bytes);
  HostCall& next_host_call();
  void execute(HostCall& call) noexcept;
  static void run_host_call(void* call);

  CudaRuntimeDevice& device_;
  const CudaCalls& calls_;
  const std::string name_;
  CudaStreamHandle stream_;
  PinnedMemory fault_;                                     // a KernelFault
  std::optional<CudaRuntimeDevice::Workspace> workspace_;  // from the first launch on
  CudaQueue queue_;
  const CancelFlag* skip_when_ = nullptr;
  CudaReplays replays_;
  bool capturing_ = false, capture_failed_ = false;                         // the submitter's own
  std::map<std::pair<const CudaRuntimeDevice*, bool>, StagedCopy> staged_;  // by other end, and way

  WorkerPool pool_{1};  // what host calls run with: the driver's thread alone
  std::array<HostCall, kHostCalls> host_calls_;
  size_t next_call_ = 0;

  mutable std::mutex mutex_;  // of error_
  std::exception_ptr error_;  // written once, before broken_
  std::atomic<bool> broken_{false};
};

}  // namespace tessera
