#include "runtime/planning.h"

namespace tessera {

Placement place(const Plan& plan, const DeviceSet& set) {
  const auto device = [&](int index) {
    return index < 0 ? set.host.get() : set.devices[static_cast<size_t>(index)].get();
  };
  Placement placement{.stages = {},
                      .head = plan.head_precision,
                      .embedding = device(plan.embedding_device),
                      .vision = plan.vision_device < 0 ? nullptr : device(plan.vision_device)};
  for (const PlanStage& stage : plan.stages)
    placement.stages.push_back({.device = device(stage.device),
                                .first_layer = stage.first_layer,
                                .last_layer = stage.last_layer,
                                .precisions = stage.precisions});
  return placement;
}

}  // namespace tessera
