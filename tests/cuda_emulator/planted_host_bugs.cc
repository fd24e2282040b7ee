#include <cstring>
#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/example_kernels.h"
#include "tests/cuda_emulator/planted_bugs.h"

namespace tessera {
namespace {

constexpr size_t kBytes = kPlantedThreads * sizeof(float);

void check(cudaError_t error) {
  cuda_check(error, "test", "call");
}

cudaEvent_t recorded(cudaStream_t stream) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  check(cudaEventRecord(event, stream));
  return event;
}

// A second stream reads what the first has not yet written.
void no_event_wait(const float* x, float* out, cudaStream_t stream) {
  DeviceVector<float> doubled(kPlantedThreads);
  check(cudaMemsetAsync(doubled.data(), 0, kBytes, stream));
  check(cudaStreamSynchronize(stream));
  const TestStream second;
  for (int i = 0; i < 8; ++i) check(cudaMemsetAsync(out, 0, kBytes, stream));
  add_vectors(x, x, doubled.data(), kPlantedThreads, stream);
  check(cudaMemcpyAsync(out, doubled.data(), kBytes, cudaMemcpyDeviceToDevice, second));
  second.synchronize();
  check(cudaStreamSynchronize(stream));
}

// The same, with a wait for an event that was recorded too early.
void event_too_early(const float* x, float* out, cudaStream_t stream) {
  DeviceVector<float> doubled(kPlantedThreads);
  check(cudaMemsetAsync(doubled.data(), 0, kBytes, stream));
  check(cudaMemsetAsync(out, 0, kBytes, stream));
  const cudaEvent_t event = recorded(stream);
  const TestStream second;
  add_vectors(x, x, doubled.data(), kPlantedThreads, stream);
  check(cudaStreamWaitEvent(second, event, 0));
  check(cudaMemcpyAsync(out, doubled.data(), kBytes, cudaMemcpyDeviceToDevice, second));
  second.synchronize();
  check(cudaStreamSynchronize(stream));
  check(cudaEventDestroy(event));
}

// Pinned memory is filled again while a copy may still read it.
void pinned_overwritten(const float*, float* out, cudaStream_t stream) {
  void* pinned = nullptr;
  check(cudaMallocHost(&pinned, kBytes));
  std::memset(pinned, 0x01, kBytes);
  for (int i = 0; i < 8; ++i) check(cudaMemsetAsync(out, 0, kBytes, stream));
  check(cudaMemcpyAsync(out, pinned, kBytes, cudaMemcpyHostToDevice, stream));
  std::memset(pinned, 0xff, kBytes);
  check(cudaStreamSynchronize(stream));
  check(cudaFreeHost(pinned));
}

// The host reads pinned memory that a copy may not yet have written.
void pinned_read_too_early(const float* x, float* out, cudaStream_t stream) {
  void* pinned = nullptr;
  check(cudaMallocHost(&pinned, kBytes));
  for (int i = 0; i < 8; ++i) check(cudaMemsetAsync(out, 0, kBytes, stream));
  check(cudaMemcpyAsync(pinned, x, kBytes, cudaMemcpyDeviceToHost, stream));
  std::vector<float> seen(kPlantedThreads);
  std::memcpy(seen.data(), pinned, kBytes);
  check(cudaMemcpyAsync(out, seen.data(), kBytes, cudaMemcpyHostToDevice, stream));
  check(cudaStreamSynchronize(stream));
  check(cudaFreeHost(pinned));
}

void use_after_free(const float* x, float* out, cudaStream_t stream) {
  void* gone = nullptr;
  check(cudaMalloc(&gone, kBytes));
  check(cudaFree(gone));
  add_vectors(x, static_cast<const float*>(gone), out, kPlantedThreads, stream);
}

void another_gpus_memory(const float* x, float* out, cudaStream_t stream) {
  check(cudaSetDevice(1));
  const DeviceVector<float> there(kPlantedThreads);
  check(cudaSetDevice(0));
  add_vectors(x, there.data(), out, kPlantedThreads, stream);
  check(cudaStreamSynchronize(stream));
}

void host_pointer(const float* x, float* out, cudaStream_t stream) {
  const std::vector<float> on_host(kPlantedThreads);
  add_vectors(x, on_host.data(), out, kPlantedThreads, stream);
  check(cudaStreamSynchronize(stream));
}

}  // namespace

std::vector<PlantedBug> planted_host_bugs() {
  return {
      {"no_event_wait", no_event_wait},
      {"event_too_early", event_too_early},
      {"pinned_overwritten", pinned_overwritten},
      {"pinned_read_too_early", pinned_read_too_early},
      {"use_after_free", use_after_free},
      {"another_gpus_memory", another_gpus_memory},
      {"host_pointer", host_pointer},
  };
}

}  // namespace tessera
