#pragma once

#include <cstdint>
#include <vector>

#include "plan/instance.h"

namespace tessera {

/// What one device can run: layers from some first one up to `end`, with the head when that is all
/// of them. Without the link into the stage.
struct StageRun {
  int end = 0;
  int64_t loss = 0, sum = 0, peak = 0;
};

/// Where the search gets its stages from: one precision profile, or a choice for every layer.
class StageSource {
 public:
  virtual ~StageSource() = default;

  /// Links, starts, devices; its layer costs are below or at those of any run.
  virtual const Instance& frame() const = 0;

  /// All runs from `first` to ends of at least `end_from`, with peaks up to `cap`, on a device of
  /// class `c` that also holds `held`, in order of their ends: only those of the least loss, and of
  /// these only the ones that no other beats in sum and peak.
  virtual void runs(size_t c, OffChain held, int first, int end_from, int64_t cap,
                    std::vector<StageRun>& out) const = 0;

  /// At most the loss of the layers from `first` on, on devices that are not in use.
  virtual int64_t loss_bound(uint32_t used, int first) const = 0;
};

/// Stages of one profile: an Instance as it is. Keeps a reference.
class FixedStages : public StageSource {
 public:
  explicit FixedStages(const Instance& instance) : instance_(instance) {}

  const Instance& frame() const override { return instance_; }
  void runs(size_t c, OffChain held, int first, int end_from, int64_t cap,
            std::vector<StageRun>& out) const override;
  int64_t loss_bound(uint32_t, int) const override { return 0; }

 private:
  const Instance& instance_;
};

}  // namespace tessera
