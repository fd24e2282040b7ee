#include "device/cuda_event.h"

#include "base/clock.h"

namespace tessera {
namespace {

constexpr double kBaseFor_s = 1;

}  // namespace

CudaClock::CudaClock(const CudaCalls& calls) : calls_(calls), stream_(calls) {
  current_ = std::make_shared<Base>(calls);
  calls.check(cudaEventRecord(current_->event.get(), stream_.get()), "an event's record");
  calls.check(cudaEventSynchronize(current_->event.get()), "an event");
  current_->at_s = renewed_s_ = now_s();
}

std::shared_ptr<CudaClock::Base> CudaClock::base() {
  const std::lock_guard lock(mutex_);
  const double now = now_s();
  if (now - renewed_s_ < kBaseFor_s) return current_;
  settle(*current_);  // long passed; and no chain of bases grows where nobody asks for the time
  auto next = std::make_shared<Base>(calls_);
  calls_.check(cudaEventRecord(next->event.get(), stream_.get()), "an event's record");
  next->before = std::move(current_);
  current_ = next;
  renewed_s_ = now;
  return next;
}

double CudaClock::time_s(Base& base, cudaEvent_t event) {
  const std::lock_guard lock(mutex_);
  settle(base);
  return base.at_s + elapsed_s(base.event.get(), event);
}

double CudaClock::elapsed_s(cudaEvent_t from, cudaEvent_t to) const {
  float ms = 0;
  calls_.check(cudaEventElapsedTime(&ms, from, to), "the time between two events");
  return static_cast<double>(ms) * 1e-3;
}

void CudaClock::settle(Base& base) const {
  if (base.before == nullptr) return;
  calls_.check(cudaEventSynchronize(base.event.get()), "an event");
  settle(*base.before);
  base.at_s = base.before->at_s + elapsed_s(base.before->event.get(), base.event.get());
  base.before.reset();
}

void CudaEvent::record_on(cudaStream_t stream) {
  base_ = clock_.base();
  calls_.check(cudaEventRecord(event_.get(), stream), "an event's record");
}

void CudaEvent::synchronize() {
  calls_.enter();
  calls_.check(cudaEventSynchronize(event_.get()), "an event");
}

bool CudaEvent::passed() const {
  calls_.enter();
  const cudaError_t status = cudaEventQuery(event_.get());
  if (status == cudaErrorNotReady) return false;
  calls_.check(status, "an event");
  return true;
}

double CudaEvent::time_s() const {
  calls_.enter();
  return base_ == nullptr ? 0 : clock_.time_s(*base_, event_.get());
}

}  // namespace tessera
