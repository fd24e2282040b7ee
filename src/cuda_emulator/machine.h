#pragma once

#include <driver_types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cuda_emulator/capture.h"
#include "cuda_emulator/control.h"
#include "cuda_emulator/nan_pages.h"
#include "cuda_emulator/quiet_lock.h"
#include "cuda_emulator/seeded.h"

namespace tessera {

inline constexpr int kHostMemory = -1;

struct Allocation {
  NanPages pages;
  uint64_t bytes = 0;
  int device = kHostMemory;
};

struct EmulatedGpu {
  uint64_t used_bytes = 0;
  uint64_t foreign_bytes = 0;        ///< held by somebody else
  cudaError_t broken = cudaSuccess;  ///< every call says so from now on
  std::string report = {};           ///< why
  uint64_t token = 0;                ///< ThreadSanitizer's: what has run on any stream
  std::set<int> peers = {};          ///< whose memory its kernels may use
};

}  // namespace tessera

// The toolkit's names for what a stream and an event point to.

struct CUstream_st {
  int device = 0;
  int priority = 0;
  std::deque<std::unique_ptr<tessera::StreamOp>> queue = {};
  bool busy = false;       ///< the executor runs its op
  bool destroyed = false;  ///< goes once its queue is empty
  uint64_t submitted = 0, finished = 0;
  double clock_us = 0;
  void* tsan_fiber = nullptr;
  uint64_t token = 0;  ///< ThreadSanitizer's: what has run
  std::shared_ptr<tessera::Capture> capture = nullptr;
};

struct CUevent_st {
  int device = 0;
  bool timed = true;
  std::shared_ptr<tessera::EventMark> mark = nullptr;   ///< of the last record; null: never
  std::shared_ptr<tessera::Capture> capture = nullptr;  ///< that the last record was part of
  tessera::CapturedOps captured = {};                   ///< and what came before it there
};

struct CUgraph_st {
  std::vector<tessera::StreamOp> ops = {};
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<tessera::StreamOp>> ops = nullptr;
};

namespace tessera {

/// Everything that the emulated driver knows. All of it is guarded by `mutex`; the bodies of ops
/// run without it.
struct Machine {
  QuietMutex mutex;
  QuietCondition changed;  ///< an op was submitted or has run

  EmulatedMachine settings;
  std::vector<EmulatedGpu> gpus;
  std::map<uintptr_t, Allocation> allocations;  ///< by address
  std::vector<std::unique_ptr<CUstream_st>> streams;
  std::vector<std::unique_ptr<CUgraphExec_st>> executables;  ///< a lost card's stay, as a driver's
  std::map<const void*, size_t> dynamic_shared_limits;       ///< of kernels, where set
  std::map<std::pair<int, int>, double> links;               ///< bytes per second, where set
  std::set<std::pair<int, int>> unreachable;                 ///< no peer access, from and to
  std::vector<InjectedFailure> failures;
  std::map<std::string, uint64_t, std::less<>> calls;  ///< how many, by name
  double host_clock_us = 0;  ///< the latest that a host thread has waited for

  Seeded random{1};
  bool executor_started = false;
  bool memory_open = false;  ///< GPUs' memory may be touched: by the executor, while it works
  uint64_t submissions = 0;  ///< ops, ever
  uint64_t piled_up = 0;     ///< of them, those that a late executor has waited for
  int waiting_hosts = 0;     ///< threads in a call that waits

  Machine();
  void reset(const EmulatedMachine& wanted);

  /// The allocation that [data, data + bytes) lies in wholly, or null.
  const Allocation* find(const void* data, size_t bytes) const;
  bool is_stream(cudaStream_t stream) const;
  double copy_us(int from, int to, size_t bytes) const;
  /// Lets nobody, or anybody, touch the GPUs' memory.
  void open_memory(bool open);
};

/// Never destroyed: the executor's thread outlives main().
Machine& machine();

/// Queues an op, or adds it to the stream's capture; `stream` is valid and the lock held. Starts
/// the executor.
void submit(Machine& machine, cudaStream_t stream, StreamOp op);

/// Waits in a call of the runtime until `condition()`.
template <typename Condition>
void wait_as_host(Machine& machine, std::unique_lock<QuietMutex>& lock,
                  const Condition& condition) {
  ++machine.waiting_hosts;
  machine.changed.notify_all();
  machine.changed.wait(lock, condition);
  --machine.waiting_hosts;
}

/// Waits until `stream` has run all that was submitted to it until now.
void wait_for_stream(Machine& machine, std::unique_lock<QuietMutex>& lock, cudaStream_t stream);
/// The same for all streams of a GPU.
void wait_for_gpu(Machine& machine, std::unique_lock<QuietMutex>& lock, int gpu);

}  // namespace tessera
