#include "plan/memory_model.h"

namespace tessera {

StageBytes device_bytes(const PlanProblem& problem, const PlanDevice& device, Holds holds,
                        int first_layer, std::span<const Precision> precisions,
                        Precision head_precision, int64_t kv_blocks) {
  const uint64_t granule = device.granule_bytes;
  StageBytes bytes;
  for (size_t i = 0; i < precisions.size(); ++i) {
    const PlanUnit& layer = problem.layers[static_cast<size_t>(first_layer) + i];
    bytes.weights += unit_weight_bytes(layer, precisions[i], granule);
    bytes.kv += layer_kv_bytes(layer, kv_blocks, granule);
  }
  if (holds.head) bytes.head = unit_weight_bytes(problem.head, head_precision, granule);
  if (holds.embedding)
    bytes.embedding =
        unit_weight_bytes(problem.embedding, precision_of(problem.embedding, problem.own), granule);
  if (holds.vision && problem.vision)
    bytes.vision =
        unit_weight_bytes(*problem.vision, precision_of(*problem.vision, problem.own), granule);
  bytes.arena = device_arena_bytes(problem, holds, granule);
  bytes.fixed = device.fixed_bytes;
  return bytes;
}

}  // namespace tessera
