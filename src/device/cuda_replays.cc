#include "device/cuda_replays.h"

#include <algorithm>

namespace tessera {

CudaReplays::~CudaReplays() {
  for (auto& [key, entry] : graphs_) drop(entry);
}

CudaReplays::Next CudaReplays::next(const ReplayKey& key) {
  const auto found = graphs_.find(key);
  if (found == graphs_.end()) {
    make_room();
    graphs_[key].used = ++use_;
    return Next::kSubmit;
  }
  Entry& entry = found->second;
  entry.used = ++use_;
  if (entry.hopeless) return Next::kSubmit;
  return entry.executable == nullptr ? Next::kCapture : Next::kLaunch;
}

cudaGraphExec_t CudaReplays::keep(const ReplayKey& key, cudaGraph_t graph) {
  Entry& entry = graphs_[key];
  if (graph == nullptr || cudaGraphInstantiate(&entry.executable, graph, 0) != cudaSuccess) {
    (void)cudaGetLastError();  // of a card that was lost every later call tells
    entry.executable = nullptr;
    entry.hopeless = true;
  }
  if (graph != nullptr) calls_.note(cudaGraphDestroy(graph), "freeing a graph");
  return entry.executable;
}

// One that still runs is freed by the driver when it has.
void CudaReplays::drop(Entry& entry) noexcept {
  if (entry.executable == nullptr || calls_.lost()) return;
  calls_.note(cudaGraphExecDestroy(entry.executable), "freeing a graph");
}

void CudaReplays::make_room() {
  if (graphs_.size() < kMostGraphs) return;
  const auto oldest =
      std::ranges::min_element(graphs_, {}, [](const auto& known) { return known.second.used; });
  drop(oldest->second);
  graphs_.erase(oldest);
}

}  // namespace tessera
