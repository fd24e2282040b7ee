#include "device/cuda_calls.h"

#include "cuda/check.h"
#include "tessera/error.h"

namespace tessera {

CudaCalls::CudaCalls(int card, std::string device_name)
    : card_(card), name_(std::move(device_name)) {}

void CudaCalls::enter() const {
  check_lost();
  check(cudaSetDevice(card_), "its card");
}

void CudaCalls::check(cudaError_t code, std::string_view what) const {
  if (code == cudaSuccess) return;
  (void)cudaGetLastError();  // or it would come up again where nobody asked
  try {
    cuda_check(code, name_, what);
  } catch (...) {
    if (!card_answers()) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      lost_.store(true, std::memory_order_release);
    }
    check_lost();
    throw;
  }
}

void CudaCalls::note(cudaError_t code, std::string_view what) const noexcept {
  try {
    check(code, what);
  } catch (const Error&) {  // kept where the device was lost by it
  }
}

void CudaCalls::check_answers() const {
  check_lost();
  size_t free = 0, total = 0;
  note(cudaSetDevice(card_), "its card");
  note(cudaMemGetInfo(&free, &total), "its free memory");
  check_lost();  // what failed once, on a card that answers, is nothing
}

void CudaCalls::check_lost() const {
  if (lost()) std::rethrow_exception(error_);
}

// An error is the card's, not the call's, when a call that asks for nothing gives one too. Asking
// so needs no list of the codes that stay, which grows with every version of CUDA.
bool CudaCalls::card_answers() const {
  size_t free = 0, total = 0;
  const bool answers =
      cudaSetDevice(card_) == cudaSuccess && cudaMemGetInfo(&free, &total) == cudaSuccess;
  (void)cudaGetLastError();
  return answers;
}

}  // namespace tessera
