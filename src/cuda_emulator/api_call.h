#pragma once

#include <driver_types.h>

#include <mutex>
#include <string>
#include <string_view>

#include "cuda_emulator/machine.h"
#include "cuda_emulator/sanitizers.h"

namespace tessera {

/// What the runtime keeps for each thread of the host.
struct HostThread {
  int device = 0;
  cudaError_t last_error = cudaSuccess;
  std::string report = {};        ///< why its last call failed
  bool in_host_function = false;  ///< which may call nothing of CUDA
};
HostThread& host_thread();

/// Remembers an error for cudaGetLastError, and returns it.
cudaError_t note_error(cudaError_t error);

/// What broke a GPU, with its reason for emulator_report(); cudaSuccess: nothing did.
cudaError_t broken_gpu(const Machine& machine, int gpu);

/// Counts the call, and says what it is to say before it does anything: a failure injected for it,
/// or what broke the GPU. With the lock held.
cudaError_t error_due(Machine& machine, std::string_view call, int gpu);

/// A refusal with its reason for emulator_report().
cudaError_t refuse(cudaError_t error, std::string reason);

/// The frame of every function of the runtime: takes the lock, returns the error that is due or
/// what `body(machine, lock)` returns, for the current device.
template <typename Body>
cudaError_t api_call(std::string_view call, const Body& body) {
  const TsanUnseen unseen;
  if (host_thread().in_host_function) return note_error(cudaErrorNotPermitted);
  host_thread().report.clear();
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
  host_thread().report.clear();
  Machine& state = machine();
  std::unique_lock lock(state.mutex);
  if (!state.is_stream(stream)) {
    return note_error(
        refuse(cudaErrorInvalidResourceHandle,
               std::string(call) + ": not a stream; the default stream is not allowed"));
  }
  const cudaError_t due = error_due(state, call, stream->device);
  return note_error(due != cudaSuccess ? due : body(state, lock));
}

/// Refuses what cannot be captured; the capture fails at its end, too.
cudaError_t refuse_in_capture(Capture& capture);

}  // namespace tessera
