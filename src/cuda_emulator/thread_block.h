#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda_emulator/device_thread.h"
#include "cuda_emulator/ready_threads.h"
#include "cuda_emulator/seeded.h"
#include "cuda_emulator/source_place.h"
#include "cuda_emulator/thread_order.h"

namespace tessera {

/// Computes every lane's result from what all have brought, for the lanes of `mask`.
using CombineLanes = void (*)(std::span<DeviceThread* const> lanes, uint32_t mask);

/// The block of threads that runs now. Only one runs in the process, on the executor's thread: a
/// thread that must wait gives way to the next one that need not. Barriers and collectives of a
/// warp really wait, so that a forgotten one shows.
///
/// Barriers open only when every thread of the block stands at the same one: a thread that has
/// exited is missed, as the CUDA programming guide asks, though hardware forgives it.
class ThreadBlock {
 public:
  ThreadBlock();

  /// `kernels_seen`: as EmulatedMachine says.
  void set_order(ThreadOrder order, uint64_t seed, bool kernels_seen);

  /// Runs `body` once for every thread, from the executor's thread. ThreadSanitizer: all comes
  /// after the caller, and before an acquire of `end_token`. Throws KernelFailure.
  void run(dim3 block, uint3 index, const std::function<void()>& body, void* end_token);

  // From a thread of the block:

  DeviceThread& running() { return *running_; }

  /// __syncthreads. Returns how many threads came with a vote.
  int barrier(bool vote, SourcePlace place);

  /// Waits for the lanes of `mask`; whoever comes last computes for all. To ThreadSanitizer only
  /// kSyncWarp orders the lanes.
  void collective(WarpWord word, uint32_t mask, const void* given, void* taken,
                  CombineLanes combine, SourcePlace place);

  /// Ends the block with a report.
  [[noreturn]] void fail(const std::string& what, SourcePlace place);

  /// ThreadSanitizer: `work` is the host's, done before all that a thread of this block does after
  /// the call or after its own see_host_work().
  void run_as_host(const std::function<void()>& work);
  void see_host_work();

 private:
  // ThreadSanitizer's tokens, new for every block, and for every barrier another one: a token used
  // again orders whoever comes to it late after what its first users have done since.
  static constexpr uint32_t kWarpTokens = 8;
  struct Tokens {
    uint64_t start;
    uint64_t barriers[2];
    uint64_t warps[kMaxBlockThreads / kWarpThreads][kWarpTokens];
  };
  struct Gathering {  // lanes of a warp that wait for each other
    WarpWord word;
    uint32_t mask;
    uint32_t arrived;
    uint64_t* token;
  };
  struct Warp {
    std::array<Gathering, kWarpThreads> gatherings;
    uint32_t count = 0;
    uint32_t so_far = 0;
  };

  DeviceThread& next_fiber();
  void place_threads(dim3 block);
  void run_thread(DeviceThread& thread);
  DeviceThread* next_ready();
  void give_way();
  void enter(Fiber& from, DeviceThread& next);
  void open_barrier(SourcePlace place);
  Gathering& join(Warp& warp, const DeviceThread& thread);
  void complete(const Gathering& gathering, std::span<DeviceThread* const> lanes,
                CombineLanes combine, SourcePlace place);
  void abandon_threads();

  bool kernels_seen_ = true;
  ThreadOrder order_ = ThreadOrder::kForward;
  Seeded random_{1};

  std::vector<std::unique_ptr<DeviceThread>> fibers_;
  size_t next_fiber_ = 0;
  std::unique_ptr<Fiber> home_;
  const std::function<void()>* body_ = nullptr;

  std::unique_ptr<Tokens> tokens_;
  void* end_token_ = nullptr;
  std::vector<DeviceThread*> threads_;  // of this block, by their linear number
  std::array<Warp, kMaxBlockThreads / kWarpThreads> warps_;
  ReadyThreads ready_;
  DeviceThread* running_ = nullptr;
  uint32_t exited_ = 0, at_barrier_ = 0, barriers_ = 0;
  int votes_ = 0, last_votes_ = 0;
  bool failed_ = false;
  std::string report_;
};

/// The one that the words of kernels mean.
ThreadBlock& thread_block();

}  // namespace tessera
