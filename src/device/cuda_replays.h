#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>

#include "device/cuda_calls.h"
#include "device/stream.h"

namespace tessera {

/// What a stream has captured into CUDA graphs, by key. Used by the stream's submitter.
class CudaReplays {
 public:
  static constexpr size_t kMostGraphs = 256;  ///< kept; the one unused for longest goes first

  explicit CudaReplays(const CudaCalls& calls) : calls_(calls) {}
  ~CudaReplays();
  CudaReplays(const CudaReplays&) = delete;
  CudaReplays& operator=(const CudaReplays&) = delete;

  enum class Next : uint8_t {
    kSubmit,   ///< as if there were no graphs: the key's first time, or it cannot be captured
    kCapture,  ///< keep() comes next
    kLaunch,   ///< graph() has it
  };
  /// What to do with a key that comes now. Whatever a first submission sets up is there before the
  /// second one is captured, and a key that comes once is never captured.
  Next next(const ReplayKey& key);

  cudaGraphExec_t graph(const ReplayKey& key) const { return graphs_.at(key).executable; }
  /// Makes the graph ready that was captured under `key`, and frees it. Null when that cannot be
  /// done, or `graph` is null: the key is not captured again.
  cudaGraphExec_t keep(const ReplayKey& key, cudaGraph_t graph);

 private:
  struct Entry {
    cudaGraphExec_t executable = nullptr;
    bool hopeless = false;
    uint64_t used = 0;  ///< the use_ of its last use
  };
  void drop(Entry& entry) noexcept;
  void make_room();

  const CudaCalls& calls_;
  std::map<ReplayKey, Entry> graphs_;
  uint64_t use_ = 0;
};

}  // namespace tessera
