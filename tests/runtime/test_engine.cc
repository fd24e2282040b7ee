#include "tests/runtime/test_engine.h"

#include <fmt/format.h>

#include "base/file.h"
#include "runtime/plan_problem.h"

namespace tessera {
namespace {

std::unique_ptr<Device> virtual_device(const std::string& name, int threads) {
  return open_virtual_device({.name = name,
                              .kind = DeviceKind::kVirtual,
                              .budget_bytes = 256ULL << 20,
                              .threads = threads});
}

}  // namespace

TestEngine::TestEngine(const std::string& dir, const LayerSplit& split, Precision precision,
                       int64_t chunk_tokens, int64_t sequences, int threads,
                       std::optional<KvFormat> kv, const OpenTestDevice& open)
    : model_(describe_model(read_model_config(dir))),
      tokenizer_(Tokenizer::open(dir)),
      weights_(CheckpointWeights::open(model_.config)),
      host_(virtual_device("host", 1)) {
  Placement placement{};
  int64_t layer = 0;
  for (size_t i = 0; i < split.layers.size(); ++i) {
    devices_.push_back(open ? open(i) : virtual_device(fmt::format("cpu:{}", i), threads));
    if (split.layers[i] == 0) continue;
    placement.stages.push_back(
        {.device = devices_.back().get(),
         .first_layer = layer,
         .last_layer = layer + split.layers[i] - 1,
         .precisions = std::vector<Precision>(static_cast<size_t>(split.layers[i]), precision)});
    layer += split.layers[i];
  }
  const auto at = [&](int index) {
    return index < 0 ? host_.get() : devices_[static_cast<size_t>(index)].get();
  };
  placement.head = std::min(precision, Precision::kInt8);
  placement.embedding = at(split.embedding);
  placement.vision = model_.vision ? at(split.vision) : nullptr;

  const Workload workload{.context = std::min<int64_t>(model_.config.decoder.max_positions, 640),
                          .sequences = sequences,
                          .chunk_tokens = chunk_tokens,
                          .scored_rows = 16,
                          .edited_rows = sequences,
                          .masked_rows = sequences,
                          .logprob_rows = sequences};
  const Precision wide = std::min(precision, Precision::kBF16);
  const PipelineLimits limits = make_limits(workload, static_cast<int>(split.layers.size()), wide,
                                            kv.value_or(kv_format_beside(wide)));
  pipeline_ = std::make_unique<Pipeline>(model_, placement, limits);
  blocks_ = std::make_unique<BlockPool>(limits.kv_blocks);
  runner_ = std::make_unique<SequenceRunner>(*pipeline_, chunk_tokens);
  loaded_ = load_weights(pipeline_->load_targets(), weights_, {}, {}, nullptr);
}

TestEngine::Prompt TestEngine::read_prompt(const Request& request, const CancelFlag* cancel) {
  Prompt prompt{.tokens = make_prompt_tokens(*tokenizer_, chat(), request.messages,
                                             model_.vision ? model_.config.vision->rows_out() : 0),
                .pictures = {}};
  if (model_.vision)
    for (const auto& pixels : read_pictures(request.messages, *model_.config.preprocess))
      prompt.pictures.push_back(pipeline_->vision().encode(pixels, cancel));
  return prompt;
}

Answer TestEngine::ask(const Request& request, const CancelFlag* cancel,
                       const Engine::OnText& on_text) {
  const auto [prompt, pictures] = read_prompt(request, cancel);
  const ChatTemplate template_used = chat();
  const std::vector<std::string> stops = request.stop_strings.value_or(std::vector<std::string>(
      template_used.stop_strings().begin(), template_used.stop_strings().end()));
  Answer answer;
  answer.prompt_ids = prompt.prompt_ids;
  answer.prompt_tokens = static_cast<int64_t>(prompt.ids.size());
  Generation(*runner_, *blocks_, *tokenizer_,
             {static_cast<int32_t>(model_.config.decoder.eos_ids.front())}, stops, request, on_text,
             cancel)
      .run(prompt, pictures, request.max_new_tokens, answer);
  return answer;
}

std::vector<float> TestEngine::first_logits(const Request& request) {
  const auto [prompt, pictures] = read_prompt(request, nullptr);
  BlockTable table(*blocks_);
  return runner_->prefill(prompt, pictures, table, {}, true, nullptr).logits;
}

LayerSplit whole_on_one(const ModelSpec& model) {
  return {.layers = {static_cast<int64_t>(model.layers.size())}};
}

}  // namespace tessera
