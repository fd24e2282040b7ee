#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/cancel.h"
#include "tessera/engine.h"

namespace tessera {

/// What the kernels reach with weights of one precision, all allowed threads together.
struct KernelBench {
  Precision precision = Precision::kBF16;
  double peak_flops_per_s = 0;     ///< multiply-adds in registers: what no kernel can beat
  double prefill_flops_per_s = 0;  ///< matmul of 256 rows
  double decode_bytes_per_s = 0;   ///< matmul of one row: the weights' bytes over the time
};

/// The machine's limits and how close the kernels come.
struct MachineBench {
  std::string cpu, instructions;  ///< its name; the widest instruction set in use
  int threads = 0;
  double read_bytes_per_s = 0;  ///< from memory
  std::vector<KernelBench> kernels;
};

/// Takes a few seconds with all allowed threads busy. Throws Error when the machine cannot be read.
MachineBench bench_machine();

struct ModelBenchOptions {
  EngineOptions engine;
  int64_t prompt_tokens = 256;
  int64_t new_tokens = 32;
  int64_t sequences = 1;  ///< decoded together
  int repeats = 3;
  /// Reads memory before and after each token, so that its bandwidth is that of the same moment.
  /// For models above the size of the caches, which this empties; on CPU devices.
  bool reads = false;
};

/// One loaded model, timed. Times are the best of the repeats: others on the machine only make
/// them longer.
struct ModelBench {
  int64_t prompt_tokens = 0, new_tokens = 0, sequences = 0;
  double load_s = 0;
  uint64_t loaded_bytes = 0;
  double prefill_s = 0;               ///< the whole prompt of one sequence
  double decode_step_s = 0;           ///< one token of each sequence
  double picture_s = 0;               ///< one through tower and projector; 0: the model takes none
  double planned_picture_s = 0;       ///< the same, as the plan says
  int64_t picture_tokens = 0;         ///< that one puts into a prompt
  double flops_per_picture = 0;       ///< of matmuls and attention
  double flops_per_prefill = 0;       ///< of matmuls and attention
  double bytes_per_decode_step = 0;   ///< weights and KV cache read
  double read_bytes_per_s = 0;        ///< beside the tokens, the median; 0 where not asked for
  double decode_share_of_reads = 0;   ///< each step's bandwidth over that beside it, the median
  std::vector<DeviceReport> devices;  ///< each stage's planned and measured times
  Plan plan;

  double prefill_tokens_per_s() const { return static_cast<double>(prompt_tokens) / prefill_s; }
  double picture_tokens_per_s() const { return static_cast<double>(picture_tokens) / picture_s; }
  double decode_tokens_per_s() const { return static_cast<double>(sequences) / decode_step_s; }
};

/// Loads the model, encodes pictures of noise where it takes pictures, answers a prompt of tokens
/// drawn at random, and times each phase. Throws as Engine::create does, and Cancelled.
ModelBench bench_model(const ModelBenchOptions& options, const CancelFlag* cancel = nullptr);

}  // namespace tessera
