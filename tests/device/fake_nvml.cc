// A stand-in for libnvidia-ml.so.1 with two GPUs. TESSERA_INIT_STATUS is what nvmlInit_v2 returns.
// Like the real one, it refuses every call outside of init and shutdown.

#include <cstdio>
#include <cstring>

namespace {

constexpr int kUninitialized = 1, kInvalidArgument = 2, kInsufficientSize = 7;

int initialised = 0;

struct Gpu {
  const char* name;
  const char* uuid;
  unsigned long long total, free;
};
constexpr unsigned long long kGiB = 1ULL << 30;
Gpu gpus[] = {{"NVIDIA GeForce RTX 3090", "GPU-1111", 24 * kGiB, 23 * kGiB},
              {"NVIDIA H100 80GB HBM3", "GPU-2222", 80 * kGiB, 79 * kGiB}};

int copy_text(const char* text, char* buffer, unsigned length) {
  if (initialised == 0) return kUninitialized;
  if (std::strlen(text) >= length) return kInsufficientSize;
  std::strcpy(buffer, text);
  return 0;
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)

int nvmlInit_v2() {
  if (TESSERA_INIT_STATUS == 0) ++initialised;
  return TESSERA_INIT_STATUS;
}

int nvmlShutdown() {
  --initialised;
  return 0;
}

int fake_nvml_initialised() {
  return initialised;
}  // for the test

const char* nvmlErrorString(int status) {
  return status == 18 ? "Driver/library version mismatch" : "Some error";
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return initialised > 0 ? 0 : kUninitialized;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= 2) return kInvalidArgument;
  *device = &gpus[index];
  return initialised > 0 ? 0 : kUninitialized;
}

int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* memory) {
  const auto* gpu = static_cast<Gpu*>(device);
  memory[0] = gpu->total;
  memory[1] = gpu->free;
  memory[2] = gpu->total - gpu->free;
  return initialised > 0 ? 0 : kUninitialized;
}

int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  return copy_text(static_cast<Gpu*>(device)->name, name, length);
}

int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length) {
  return copy_text(static_cast<Gpu*>(device)->uuid, uuid, length);
}

int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return copy_text("580.65.06", version, length);
}

#pragma GCC visibility pop
}
