#pragma once

#include <map>
#include <optional>

#include "model/model.h"
#include "runtime/device_set.h"
#include "runtime/model_weights.h"
#include "runtime/pipeline.h"
#include "runtime/sequence_runner.h"
#include "tessera/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tessera {

/// The engine on this machine's devices.
class LocalEngine final : public Engine {
 public:
  LocalEngine(const EngineOptions& options, const CancelFlag* cancel);
  ~LocalEngine() override;

  Answer generate(const Request& request, const OnText& on_text, const CancelFlag* cancel) override;

  const Plan& plan() const override { return plan_; }
  std::vector<DeviceReport> devices() const override;
  double load_s() const override { return load_.seconds; }
  uint64_t loaded_bytes() const override { return load_.bytes_read; }
  uint64_t host_peak_bytes() const override { return host_peak_bytes_; }
  int64_t context() const override { return plan_.context; }
  bool takes_pictures() const override { return model_.vision.has_value(); }

  // What a benchmark drives by itself.
  const ModelSpec& model() const { return model_; }
  const PipelineLimits& limits() const { return pipeline_->limits(); }
  SequenceRunner& runner() { return *runner_; }
  BlockPool& blocks() { return *blocks_; }

 private:
  Answer answer_to(const Request& request, const OnText& on_text, const CancelFlag* cancel);
  void make_plan_and_pipeline(const EngineOptions& options);
  void load(const EngineOptions& options, const CancelFlag* cancel);

  const ModelSpec model_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const ModelWeights weights_;
  DeviceSet devices_;
  Plan plan_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<BlockPool> blocks_;
  std::unique_ptr<SequenceRunner> runner_;
  LoadResult load_;
  uint64_t host_peak_bytes_ = 0;
};

}  // namespace tessera
