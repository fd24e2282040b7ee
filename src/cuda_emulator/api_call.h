#pragma once

#include <driver_types.h>

#include <mutex>
#include <string_view>

#include "cuda_emulator/machine.h"
#include "cuda_emulator/sanitizers.h"

namespace tessera {

/// What the runtime keeps for each thread of the host.
struct HostThread {
  int device = 0;
  cudaError_t last_error = cudaSuccess;
  bool in_host_function = false;  ///< which may call nothing of CUDA
};
HostThread& host_thread();

/// Remembers an error for cudaGetLastError, and returns it.
cudaError_t note_error(cudaError_t error);

/// What the call is to say before it does anything: a failure injected for it, or what broke the
/// GPU. With the lock held.
cudaError_t error_due(Machine& machine, std::string_view call, int gpu);

/// The frame of every function of the runtime: takes the lock, returns the error that is due or
/// what `body(machine, lock)` returns, for the current device.
template <typename Body>
cudaError_t api_call(std::string_view call, const Body& body) {
  const TsanUnseen unseen;
  if (host_thread().in_host_function) return note_error(cudaErrorNotPermitted);
  Machine& state = machine();
  std::unique_lock lock(state.mutex);
  const cudaError_t due = error_due(state, call, host_thread().device);
  return note_error(due != cudaSuccess ? due : body(state, lock));
}

/// A call on a stream: it must be one (never the default stream), and its device the current one
/// where `on_current_device` says so.
template <typename Body>
cudaError_t stream_call(std::string_view call, cudaStream_t stream, const Body& body) {
  const TsanUnseen unseen;
  if (host_thread().in_host_function) return note_error(cudaErrorNotPermitted);
  Machine& state = machine();
  std::unique_lock lock(state.mutex);
  if (!state.is_stream(stream)) {
    state.report = std::string(call) + ": not a stream; the default stream is not allowed";
    return note_error(cudaErrorInvalidResourceHandle);
  }
  const cudaError_t due = error_due(state, call, stream->device);
  return note_error(due != cudaSuccess ? due : body(state, lock));
}

/// A refusal with its reason for emulator_report().
cudaError_t refuse(Machine& machine, cudaError_t error, std::string reason);

}  // namespace tessera
