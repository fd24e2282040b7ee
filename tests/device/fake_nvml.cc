// A stand-in for libnvidia-ml.so.1 with two GPUs. TESSERA_INIT_STATUS is what nvmlInit_v2 returns;
// with TESSERA_OLD_DRIVER it has fewer functions. Like the real one, it refuses every call outside
// of init and shutdown. The second GPU tells less than the first.

#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr int kUninitialized = 1, kInvalidArgument = 2, kNotSupported = 3, kNoPermission = 4,
              kNotFound = 6, kInsufficientSize = 7, kGpuIsLost = 15;

int initialised = 0;
bool lost = false;
int pid_of_tests = 0;  // by which the driver knows this process; 0: its own

struct Gpu {
  const char* name;
  const char* uuid;
  unsigned long long total, free;
};
constexpr unsigned long long kGiB = 1ULL << 30;
#ifdef TESSERA_EMULATED_UUIDS  // of the emulator's first two, in the other order
constexpr const char* kFirst = "GPU-00000000-0000-0000-0000-000000000002";
constexpr const char* kSecond = "GPU-00000000-0000-0000-0000-000000000001";
#else
constexpr const char *kFirst = "GPU-1111", *kSecond = "GPU-2222";
#endif
Gpu gpus[] = {{"NVIDIA GeForce RTX 3090", kFirst, 24 * kGiB, 23 * kGiB},
              {"NVIDIA H100 80GB HBM3", kSecond, 80 * kGiB, 79 * kGiB}};

int copy_text(const char* text, char* buffer, unsigned length) {
  if (initialised == 0) return kUninitialized;
  if (std::strlen(text) >= length) return kInsufficientSize;
  std::strcpy(buffer, text);
  return 0;
}

[[maybe_unused]] unsigned own_pid() {
  return static_cast<unsigned>(pid_of_tests != 0 ? pid_of_tests : getpid());
}

// A number that the first GPU tells, and the second does not.
template <typename T>
int told(const void* device, T* to, T value) {
  if (initialised == 0) return kUninitialized;
  if (lost) return kGpuIsLost;
  if (device != &gpus[0]) return kNotSupported;
  *to = value;
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

void fake_nvml_lose_gpus() {
  lost = true;
}  // for the test

void fake_nvml_know_as(int pid) {
  pid_of_tests = pid;
}  // for the test

const char* nvmlErrorString(int status) {
  if (status == kGpuIsLost) return "GPU is lost";
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

int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* celsius) {
  return sensor == 0 ? told(device, celsius, 71U) : kInvalidArgument;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void* device, unsigned long long* reasons) {
  return told(device, reasons, 0x21ULL);  // idle, and heat
}

int nvmlDeviceGetTopologyCommonAncestor(void*, void*, int* level) {
  *level = 30;
  return initialised > 0 ? 0 : kUninitialized;
}

#ifndef TESSERA_OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(void* device, unsigned long long* reasons) {
  return told(device, reasons, 0x26ULL);  // clocks as set, power limit, heat
}

int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  return told(device, milliwatts, 348'600U);
}

int nvmlDeviceGetEnforcedPowerLimit(void* device, unsigned* milliwatts) {
  return told(device, milliwatts, 350'000U);
}

int nvmlDeviceGetClockInfo(void* device, int clock, unsigned* mhz) {
  return clock == 1 ? told(device, mhz, 1395U) : kInvalidArgument;
}

int nvmlDeviceGetMaxClockInfo(void* device, int clock, unsigned* mhz) {
  return clock == 1 ? told(device, mhz, 2100U) : kInvalidArgument;
}

int nvmlDeviceGetUtilizationRates(void* device, unsigned* percents) {
  return told(device, percents, 97U);
}

int nvmlDeviceGetCurrPcieLinkGeneration(void* device, unsigned* generation) {
  return told(device, generation, 1U);
}

int nvmlDeviceGetCurrPcieLinkWidth(void* device, unsigned* lanes) {
  return told(device, lanes, 8U);
}

int nvmlDeviceGetMaxPcieLinkGeneration(void* device, unsigned* generation) {
  return told(device, generation, 4U);
}

int nvmlDeviceGetMaxPcieLinkWidth(void* device, unsigned* lanes) {
  return told(device, lanes, 16U);
}

int nvmlDeviceGetNvLinkState(void* device, unsigned link, unsigned* enabled) {
  if (link >= 4) return kInvalidArgument;
  return told(device, enabled, link % 2);
}

int nvmlDeviceGetP2PStatus(void*, void*, int capability, int* status) {
  *status = capability == 2 ? 0 : 1;
  return initialised > 0 ? 0 : kUninitialized;
}

// This process with 256 MiB, another whose memory is not told.
int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* count, void* processes) {
  struct Process {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
  };
  if (device != &gpus[0]) return kNoPermission;
  if (*count < 2) return kInsufficientSize;
  *count = 2;
  auto* to = static_cast<Process*>(processes);
  to[0] = {own_pid(), kGiB / 4, 0, 0};
  to[1] = {2, ~0ULL, 0, 0};
  return 0;
}

// This process at 60 %, the other at 30 % lately, 90 % before.
int nvmlDeviceGetProcessUtilization(void* device, void* samples, unsigned* count,
                                    unsigned long long) {
  struct Sample {
    unsigned pid;
    unsigned long long time_us;
    unsigned processors, memory, encoder, decoder;
  };
  if (device != &gpus[0]) return kNotFound;
  if (*count < 3) return kInsufficientSize;
  *count = 3;
  auto* to = static_cast<Sample*>(samples);
  to[0] = {2, 900, 30, 0, 0, 0};
  to[1] = {own_pid(), 900, 60, 0, 0, 0};
  to[2] = {2, 700, 90, 0, 0, 0};
  return 0;
}
#endif

#pragma GCC visibility pop
}
