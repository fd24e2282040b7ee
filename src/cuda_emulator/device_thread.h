#pragma once

#include <vector_types.h>

#include <cstdint>
#include <functional>

#include "cuda_emulator/async_copies.h"
#include "cuda_emulator/fiber.h"
#include "cuda_emulator/source_place.h"
#include "cuda_emulator/warp_word.h"

namespace tessera {

inline constexpr uint32_t kWarpThreads = 32;
inline constexpr uint32_t kMaxBlockThreads = 1024;

enum class ThreadState : uint8_t {
  kNew,        ///< has not begun this block
  kReady,      ///< runs, or could
  kAtBarrier,  ///< __syncthreads
  kInWarp,     ///< waits for lanes of its warp
  kExited,
};

/// One thread of the block that runs, on a fiber that block after block uses.
struct DeviceThread {
  explicit DeviceThread(std::function<void()> body) : fiber(std::move(body)) {}

  uint3 index = {};
  uint32_t linear = 0;  ///< number in the block
  uint32_t lane() const { return linear % kWarpThreads; }

  ThreadState state = ThreadState::kNew;
  SourcePlace place = {};               // of the word that it waits in
  WarpWord word = WarpWord::kSyncWarp;  // kInWarp: which
  uint32_t mask = 0;                    // kInWarp: with whom
  const void* given = nullptr;          // kInWarp: what it brings,
  void* taken = nullptr;                // and where its result goes

  bool fenced = false;          // has passed a __threadfence
  void* last_atomic = nullptr;  // address of its last atomic
  AsyncCopies copies = {};
  Fiber fiber;
};

}  // namespace tessera
