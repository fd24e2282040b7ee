#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>

namespace tessera {

/// One device's calls into the CUDA runtime: made on its card, their failures turned into Errors
/// about the device. A card that is lost (illegal address, ECC error, fallen off the bus) fails
/// every call from then on; the device remembers the Error that came first and throws it at each
/// later call, and the process lives. Thread-safe.
class CudaCalls {
 public:
  CudaCalls(int card, std::string device_name);

  int card() const { return card_; }
  const std::string& device_name() const { return name_; }

  /// Makes the card the calling thread's; before any call about it. Throws the Error that the
  /// device was lost by.
  void enter() const;

  /// Throws the Error of a call that failed, about `what` was asked: "copy of 4 KiB".
  void check(cudaError_t code, std::string_view what) const;

  /// The same for destructors, which let nothing out.
  void note(cudaError_t code, std::string_view what) const noexcept;

  /// Throws when the device is lost, which it asks the card.
  void check_answers() const;

  bool lost() const { return lost_.load(std::memory_order_acquire); }
  /// Throws when the device is lost.
  void check_lost() const;

 private:
  bool card_answers() const;

  const int card_;
  const std::string name_;
  mutable std::mutex mutex_;          // of error_
  mutable std::exception_ptr error_;  // written once, before lost_
  mutable std::atomic<bool> lost_{false};
};

}  // namespace tessera
