#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/generation.h"
#include "runtime/pipeline.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tessera {

/// Where a test wants the units: stages as counts of layers, one device each, in order.
struct LayerSplit {
  std::vector<int64_t> layers;  ///< 0 leaves a device without layers
  int vision = 0;               ///< index of a device
  int embedding = -1;           ///< -1: the host
};

/// Makes the device of a split with this index.
using OpenTestDevice = std::function<std::unique_ptr<Device>(size_t index)>;

/// A checkpoint loaded with a split drawn by the test, without the planner: on virtual devices, or
/// those that `open` makes.
class TestEngine {
 public:
  TestEngine(const std::string& dir, const LayerSplit& split, Precision precision = Precision::kF32,
             int64_t chunk_tokens = 64, int64_t sequences = 1, int threads = 2,
             std::optional<KvFormat> kv = {}, const OpenTestDevice& open = {});

  Answer ask(const Request& request, const CancelFlag* cancel = nullptr,
             const Engine::OnText& on_text = {});

  /// The logits after the prompt of `request`, [vocab].
  std::vector<float> first_logits(const Request& request);

  const ModelSpec& model() const { return model_; }
  Pipeline& pipeline() { return *pipeline_; }
  BlockPool& blocks() { return *blocks_; }
  SequenceRunner& runner() { return *runner_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  Device& device(size_t index) { return *devices_[index]; }
  const LoadResult& loaded() const { return loaded_; }

 private:
  struct Prompt {
    PromptTokens tokens;
    std::vector<std::unique_ptr<ImageRows>> pictures;
  };
  Prompt read_prompt(const Request& request, const CancelFlag* cancel);
  ChatTemplate chat() const { return ChatTemplate::named(model_.vision ? "mm_default" : "plain"); }

  ModelSpec model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  CheckpointWeights weights_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::unique_ptr<Device> host_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<BlockPool> blocks_;
  std::unique_ptr<SequenceRunner> runner_;
  LoadResult loaded_;
};

/// All layers on one device.
LayerSplit whole_on_one(const ModelSpec& model);

}  // namespace tessera
