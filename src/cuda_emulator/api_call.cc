#include "cuda_emulator/api_call.h"

#include <utility>

namespace tessera {

HostThread& host_thread() {
  thread_local HostThread thread;
  return thread;
}

cudaError_t note_error(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) host_thread().last_error = error;
  return error;
}

cudaError_t broken_gpu(const Machine& machine, int gpu) {
  if (machine.gpus[gpu].broken != cudaSuccess) host_thread().report = machine.gpus[gpu].report;
  return machine.gpus[gpu].broken;
}

cudaError_t error_due(Machine& machine, std::string_view call, int gpu) {
  const TsanUnseen unseen;
  const auto counted = machine.calls.find(call);
  ++(counted != machine.calls.end() ? counted->second : machine.calls[std::string(call)]);
  for (auto failure = machine.failures.begin(); failure != machine.failures.end(); ++failure) {
    if (failure->call != call || failure->gpu != gpu) continue;
    if (failure->after-- > 0) continue;
    const cudaError_t error = failure->error;
    machine.failures.erase(failure);
    return error;
  }
  return broken_gpu(machine, gpu);
}

cudaError_t refuse(cudaError_t error, std::string reason) {
  host_thread().report = std::move(reason);
  return error;
}

cudaError_t refuse_in_capture(Capture& capture) {
  capture.broken = true;
  return refuse(cudaErrorStreamCaptureUnsupported,
                "a call that waits or allocates, while a stream is captured");
}

}  // namespace tessera
