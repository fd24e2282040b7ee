#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/worker_pool.h"
#include "plan/problem.h"
#include "runtime/divergence.h"
#include "runtime/local_engine.h"
#include "runtime/logit_spool.h"
#include "runtime/quality_sample.h"

namespace tessera {

/// A loaded model that tells the logits of whole sequences, with its units at any precision not
/// above that at which it was loaded.
class QualityEngine {
 public:
  /// `precision`: f32 or bf16, of all units. Throws as Engine::create does.
  QualityEngine(const EngineOptions& options, Precision precision, const CancelFlag* cancel);

  LocalEngine& engine() { return *engine_; }
  const ModelSpec& model() const { return engine_->model(); }
  Profile uniform(Precision precision) const;  ///< heads are int8 at least

  /// Encodes the pictures that sequences name by their index. Their rows stay in host memory.
  void take_pictures(std::span<const std::string> files);

  /// Called after each chunk with the rows that it took.
  using OnRows = std::function<void(int64_t rows)>;

  /// Logits of the compared rows of all sequences, into the spool. Throws Cancelled.
  void record(std::span<const ScoredSequence> sequences, LogitSpool& spool, const OnRows& on_rows);

  /// Stores the units as `profile` says, and compares: with the reference's logits in the spool.
  /// With `own_spool`, the logits are kept too. Throws Cancelled; Error about `name` when a logit
  /// is not a number.
  Divergence compare(const std::string& name, const Profile& profile,
                     std::span<const ScoredSequence> sequences, const LogitSpool& reference,
                     const OnRows& on_rows, LogitSpool* own_spool = nullptr);

 private:
  using OnLogits = std::function<void(const ScoredSequence& sequence, int64_t first,
                                      std::span<const float> logits)>;
  void score(std::span<const ScoredSequence> sequences, const OnLogits& on_logits,
             const OnRows& on_rows);

  const CancelFlag* const cancel_;
  std::unique_ptr<LocalEngine> engine_;
  std::vector<std::unique_ptr<ImageRows>> pictures_;  // before the engine that encoded them goes
  WorkerPool pool_;
};

}  // namespace tessera
