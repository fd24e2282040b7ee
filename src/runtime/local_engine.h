#pragma once

#include <map>
#include <optional>
#include <span>

#include "model/model.h"
#include "runtime/answer_forms.h"
#include "runtime/device_set.h"
#include "runtime/model_weights.h"
#include "runtime/pipeline.h"
#include "runtime/prepared_request.h"
#include "runtime/sequence_runner.h"
#include "runtime/serving_loop.h"
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

  RequestId submit(Request request, std::shared_ptr<AnswerListener> listener) override;
  void cancel(RequestId id) override;
  EngineStatus status() const override;
  std::string model_name() const override;
  std::vector<int32_t> tokenize(std::string_view text) const override;
  std::string detokenize(std::span<const int32_t> ids) const override;
  std::string token_bytes(int32_t id) const override;

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
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  SequenceRunner& runner() { return *runner_; }
  BlockPool& blocks() { return *blocks_; }
  VisionRunner& vision() { return pipeline_->vision(); }

  /// Loads those layers anew that are not stored so yet, and the head: into the memory that they
  /// were loaded into, so none may be wider than at first. plan() keeps saying what was planned.
  /// Not of a packed copy, which has one precision. Throws Error, Cancelled; the weights are not to
  /// be used after that.
  void change_precisions(std::span<const Precision> layers, Precision head,
                         const CancelFlag* cancel);

 private:
  Answer answer_to(const Request& request, const OnText& on_text, const CancelFlag* cancel);
  ServingLoop& serving();  // starts with the first request
  void make_plan_and_pipeline(const EngineOptions& options);
  void load(const EngineOptions& options, const CancelFlag* cancel);
  LoadResult load_units(const std::vector<LoadTarget>& targets,
                        const std::function<void(const LoadProgress&)>& progress,
                        const CancelFlag* cancel) const;

  const ModelSpec model_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  AnswerForms forms_;
  const ModelWeights weights_;
  DeviceSet devices_;
  Plan plan_;
  double planned_chunk_tokens_ = 0;  // of the chunks that its prefill times are for
  double planned_head_s_ = 0;        // of a prompt, after its last chunk
  double planned_prompt_tokens_ = 1;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<BlockPool> blocks_;
  std::unique_ptr<SequenceRunner> runner_;
  LoadResult load_;
  uint64_t host_cap_bytes_ = 0;
  std::vector<Precision> layer_precisions_;
  Precision head_precision_ = Precision::kBF16;
  uint64_t host_peak_bytes_ = 0;

  const ServingOptions serving_options_;
  mutable std::mutex serving_mutex_;  // of the pointer
  std::unique_ptr<ServingLoop> serving_;
};

}  // namespace tessera
