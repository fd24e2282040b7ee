#pragma once

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "plan/precision_front.h"
#include "plan/stage_source.h"

namespace tessera {

/// Stages in which each layer (and the head) takes the precision that suits: for a run of layers on
/// a device, the least loss that fits its memory. A plan of least loss is made of such stages only,
/// whatever its cuts; so the choice of precisions is a matter of one stage at a time: a
/// multiple-choice knapsack (bytes against loss), solved by labels with dominance, layer by layer.
/// Sums and peaks decide between choices of equal loss.
class MixedStages : public StageSource {
 public:
  MixedStages(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
              int64_t kv_blocks, Goal goal);

  const Instance& frame() const override { return *frame_; }
  void runs(size_t c, OffChain held, int first, int end_from, int64_t cap,
            std::vector<StageRun>& out) const override;
  int64_t loss_bound(uint32_t used, int first) const override;

  /// The precisions behind a split that was found among these stages.
  Profile profile_of(const Split& split) const;

 private:
  void fill_options(const PlanProblem& problem, const std::vector<DeviceClass>& classes,
                    int64_t kv_blocks, Goal goal);
  void fill_frame();
  void fill_rooms();
  void fill_pooled_bound();
  void collect(size_t c, OffChain held, int end, const PrecisionFront& front,
               std::vector<StageRun>& out) const;
  std::array<std::vector<StageRun>, 4> solve(size_t c, int first) const;
  void restore(const Split::Stage& stage, Profile& profile) const;

  std::unique_ptr<Instance> frame_;
  std::vector<std::vector<std::vector<PrecisionOption>>> options_;  ///< [class][layer]; head last
  std::vector<int64_t> rooms_;               ///< [class] bytes for layers at most
  mutable std::vector<int64_t> free_rooms_;  ///< [used] sum over free devices; -1: not yet known
  mutable std::vector<FrontTree> fronts_;    ///< [class]
  std::vector<std::vector<std::pair<int64_t, int64_t>>> pooled_;  ///< [first]: (bytes, loss)
  mutable std::map<std::pair<size_t, int>, std::array<std::vector<StageRun>, 4>> solved_;
};

}  // namespace tessera
