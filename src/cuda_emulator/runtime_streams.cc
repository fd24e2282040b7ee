#include <cuda_runtime_api.h>

#include <algorithm>
#include <memory>

#include "cuda_emulator/api_call.h"
#include "cuda_emulator/gpu_limits.h"

// cudart: streams and events.

namespace tessera {
namespace {

// A stream that waits for a captured event is captured from then on.
cudaError_t wait_in_capture(cudaStream_t stream, const CUevent_st& event) {
  if (event.capture == nullptr ||
      (stream->capture != nullptr && stream->capture != event.capture)) {
    stream->capture->broken = true;
    return refuse(cudaErrorStreamCaptureIsolation,
                  "a captured stream waits for an event from outside of its capture");
  }
  if (stream->capture == nullptr && event.capture->seen.empty())
    return refuse(cudaErrorInvalidValue, "a stream waits for an event of a capture that has ended");
  stream->capture = event.capture;
  stream->capture->join(stream, event.captured);
  return cudaSuccess;
}

// The body of cudaLaunchHostFunc. It is the program's own code, and may call nothing of CUDA.
cudaError_t run_host_function(cudaHostFn_t function, void* data) {
  host_thread().in_host_function = true;
  function(data);
  host_thread().in_host_function = false;
  return cudaSuccess;
}

}  // namespace
}  // namespace tessera

using namespace tessera;

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return api_call("cudaStreamCreate", [&](Machine& machine, auto&) {
    if (flags != cudaStreamNonBlocking)
      return refuse(cudaErrorInvalidValue,
                    "a stream that waits for the default stream: ask for cudaStreamNonBlocking");
    auto made = std::make_unique<CUstream_st>();
    made->device = host_thread().device;
    made->priority = std::clamp(priority, kGreatestPriority, kLeastPriority);
    *stream = made.get();
    machine.streams.push_back(std::move(made));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, kLeastPriority);
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return stream_call("cudaStreamGetPriority", stream, [&](Machine&, auto&) {
    *priority = stream->priority;
    return cudaSuccess;
  });
}

// What the stream still has to do is done; then it goes.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return stream_call("cudaStreamDestroy", stream, [&](Machine& machine, auto&) {
    stream->destroyed = true;
    if (stream->queue.empty() && !stream->busy)
      std::erase_if(machine.streams, [&](const auto& known) { return known.get() == stream; });
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return stream_call("cudaStreamSynchronize", stream, [&](Machine& machine, auto& lock) {
    if (stream->capture != nullptr) return refuse_in_capture(*stream->capture);
    const int gpu = stream->device;
    wait_for_stream(machine, lock, stream);
    return broken_gpu(machine, gpu);
  });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return stream_call("cudaStreamQuery", stream, [&](Machine& machine, auto&) {
    if (stream->capture != nullptr) return refuse_in_capture(*stream->capture);
    if (stream->finished < stream->submitted) return cudaErrorNotReady;
    tsan_acquire(&stream->token);
    return broken_gpu(machine, stream->device);
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return stream_call("cudaStreamWaitEvent", stream, [&](Machine& machine, auto&) {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture != nullptr || stream->capture != nullptr)
      return wait_in_capture(stream, *event);
    if (event->mark != nullptr) submit(machine, stream, {.awaited = event->mark});
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return stream_call("cudaLaunchHostFunc", stream, [&](Machine& machine, auto&) {
    submit(
        machine, stream,
        {.body = [=] { return run_host_function(function, data); }, .us = machine.settings.op_us});
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return api_call("cudaEventCreate", [&](Machine&, auto&) {
    *event = new CUevent_st{.device = host_thread().device,
                            .timed = (flags & cudaEventDisableTiming) == 0};
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  if (event == nullptr) return note_error(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return stream_call("cudaEventRecord", stream, [&](Machine& machine, auto&) {
    if (event == nullptr || event->device != stream->device)
      return refuse(cudaErrorInvalidResourceHandle,
                    "an event of one GPU recorded on another's stream");
    event->capture = stream->capture;
    if (stream->capture != nullptr) {
      event->mark = nullptr;
      event->captured = stream->capture->seen[stream];
      return cudaSuccess;
    }
    event->mark = std::make_shared<EventMark>(EventMark{.device = stream->device});
    submit(machine, stream, {.recorded = event->mark});
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return api_call("cudaEventSynchronize", [&](Machine& machine, auto& lock) {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture != nullptr)
      return refuse(cudaErrorCapturedEvent, "the host waits for a captured event");
    const std::shared_ptr<EventMark> mark = event->mark;
    if (mark == nullptr) return cudaSuccess;
    wait_as_host(machine, lock, [&] { return mark->passed; });
    machine.host_clock_us = std::max(machine.host_clock_us, mark->time_us);
    tsan_acquire(mark.get());
    return broken_gpu(machine, mark->device);
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return api_call("cudaEventQuery", [&](Machine& machine, auto&) {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture != nullptr)
      return refuse(cudaErrorCapturedEvent, "the host waits for a captured event");
    if (event->mark == nullptr) return cudaSuccess;
    if (!event->mark->passed) return cudaErrorNotReady;
    tsan_acquire(event->mark.get());
    return broken_gpu(machine, event->mark->device);
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return api_call("cudaEventElapsedTime", [&](Machine&, auto&) {
    if (start == nullptr || end == nullptr || start->mark == nullptr || end->mark == nullptr ||
        !start->timed || !end->timed)
      return refuse(cudaErrorInvalidResourceHandle,
                    "elapsed time of an event that was never recorded, or keeps no time");
    if (!start->mark->passed || !end->mark->passed) return cudaErrorNotReady;
    *milliseconds = static_cast<float>((end->mark->time_us - start->mark->time_us) / 1e3);
    return cudaSuccess;
  });
}
