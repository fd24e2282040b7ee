#pragma once

#include <driver_types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cuda_emulator/thread_order.h"

// What tests do to the emulated GPUs. Everything else goes through CUDA's own functions.

namespace tessera {

/// The GPUs there are, all alike, of compute capability 8.6.
struct EmulatedMachine {
  int gpus = 3;
  uint64_t gpu_bytes = uint64_t{1} << 30;
  int processors = 28;  ///< of each; kernels are chosen by them
  ThreadOrder order = ThreadOrder::kForward;
  uint64_t seed = 1;

  /// A host thread that touches a GPU's memory while no GPU works ends the program, as it would
  /// anywhere else. (While one works, it goes unseen.)
  bool trap_host = true;

  /// ThreadSanitizer sees kernels, each CUDA thread as a thread. Otherwise copies, fills and the
  /// host alone: a hundred times quicker, for tests of whole engines.
  bool kernels_seen = true;

  // Virtual time, which cudaEventElapsedTime tells: an op takes its overhead and its bytes by
  // these.
  double op_us = 5;
  double memory_bytes_per_s = 360e9;
  double link_bytes_per_s = 12e9;  ///< between the host and a GPU, or two GPUs
};

/// As the environment says, where it does:
///   TESSERA_EMULATED_GPUS    3x1GiB
///   TESSERA_EMULATED_ORDER   forward, reverse, random or random:SEED
/// Throws UsageError.
EmulatedMachine emulated_machine_of_environment();

/// Makes the machine anew: allocations, streams and failures of before are gone. Only while no
/// stream has work. Before the first call of this, the environment's machine is there.
void set_up_emulated_machine(const EmulatedMachine& machine);

/// One call that fails.
struct InjectedFailure {
  std::string call;  ///< "cudaMalloc", "cudaMemcpyAsync", ... or "kernel": when it runs
  int gpu = 0;       ///< the current device, or the stream's
  int after = 0;     ///< how many such calls still succeed
  cudaError_t error = cudaErrorUnknown;
};
void inject_failure(const InjectedFailure& failure);

/// The GPU fails for good: every call on it says so (cudaErrorECCUncorrectable, ...).
void break_emulated_gpu(int gpu, cudaError_t error);

/// Failures to come are forgotten and broken GPUs are whole again.
void mend_emulated_machine();

/// kHostMemory (-1) for the host.
void set_emulated_link(int from, int to, double bytes_per_s);

/// GPU `gpu` has no access to the memory of `peer`: copies must go through the host.
void forbid_emulated_peer(int gpu, int peer);

/// Another program holds so much of a GPU's memory.
void hold_emulated_memory(int gpu, uint64_t bytes);

/// How often a function of the runtime has been called since the machine was set up, or "kernel"
/// run, on any GPU.
uint64_t emulated_calls(std::string_view call);

/// Priorities of the streams that are there on a GPU; a lower number goes first.
std::vector<int> emulated_stream_priorities(int gpu);

/// Why the calling thread's last call failed, in lines: a deadlock with its places, a pointer to
/// another GPU's memory. Empty: it did not, or there is no more to say.
std::string emulator_report();

}  // namespace tessera
