#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>

#include "device/cuda_handles.h"
#include "device/stream.h"

namespace tessera {

/// A card's time. CUDA tells only the time between two events, as milliseconds in an f32: exact to
/// a microsecond for some seconds, to a quarter of a millisecond after an hour. So times are told
/// from a base, and a base is given up for a new one when a second has passed.
class CudaClock {
 public:
  /// A moment of the card's time.
  struct Base {
    explicit Base(const CudaCalls& calls) : event(calls, true) {}
    CudaEventHandle event;
    double at_s = 0;               ///< once `before` is null
    std::shared_ptr<Base> before;  ///< the base that at_s is still to be told from
  };

  /// On the current card; the clock starts at the host's time.
  explicit CudaClock(const CudaCalls& calls);

  /// What an event that is recorded now is to be told from. On the current card.
  std::shared_ptr<Base> base();

  /// When a recorded event was passed, in seconds. Both have been passed by then.
  double time_s(Base& base, cudaEvent_t event);

 private:
  double elapsed_s(cudaEvent_t from, cudaEvent_t to) const;
  void settle(Base& base) const;

  const CudaCalls& calls_;
  CudaStreamHandle stream_;  // bases alone, so they are passed as soon as they are recorded
  std::mutex mutex_;         // of the bases
  std::shared_ptr<Base> current_;
  double renewed_s_ = 0;  // host's time
};

/// The event of CUDA devices.
class CudaEvent final : public Event {
 public:
  /// On the current card.
  CudaEvent(const CudaCalls& calls, CudaClock& clock)
      : calls_(calls), clock_(clock), event_(calls, true) {}

  // For the streams.
  const CudaCalls& calls() const { return calls_; }
  cudaEvent_t get() const { return event_.get(); }
  void record_on(cudaStream_t stream);  ///< of the same card, which is the current one

  void synchronize() override;
  bool passed() const override;
  double time_s() const override;

 private:
  const CudaCalls& calls_;
  CudaClock& clock_;
  CudaEventHandle event_;
  std::shared_ptr<CudaClock::Base> base_;  // of the last record
};

}  // namespace tessera
