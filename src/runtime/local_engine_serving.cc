#include <algorithm>
#include <filesystem>

#include "base/out_of_memory.h"
#include "runtime/check_request.h"
#include "runtime/local_engine.h"

namespace tessera {
namespace {

// A micro-batch may take this many times as long as planned before its stage is said to hang.
constexpr double kStallFactor = 20;

double longest_step_s(const Plan& plan) {
  double sum = 0;
  for (const PlanStage& stage : plan.stages)
    sum += std::max(stage.prefill_chunk_s + stage.prefill_link_s, stage.decode_s + stage.link_s);
  return sum;
}

}  // namespace

ServingLoop& LocalEngine::serving() {
  const std::lock_guard lock(serving_mutex_);
  if (!serving_) {
    ServingOptions options = serving_options_;
    options.stall_s = std::max(options.stall_s, kStallFactor * longest_step_s(plan_));
    serving_ = std::make_unique<ServingLoop>(options, *pipeline_, *blocks_, context());
  }
  return *serving_;
}

RequestId LocalEngine::submit(Request request, std::shared_ptr<AnswerListener> listener) {
  check_request(request, {.vocab = model_.config.decoder.vocab,
                          .sequences = pipeline_->limits().sequences,
                          .submitted = true});
  return with_out_of_memory_as_error("request", [&] {
    PreparedRequest prepared =
        prepare_request(model_, *tokenizer_, context(), request, Tokenizer::Specials::kAsText);
    ServingLoop& loop = serving();
    std::vector<PictureUse> pictures;
    for (const Message& message : request.messages)
      for (const Picture& picture : message.pictures)
        pictures.push_back(loop.pictures().find_or_add(picture, [&](const Picture& with_bytes) {
          return read_pixels(with_bytes, *model_.config.preprocess);
        }));
    const RequestId id = loop.next_id();
    const AnswerForm form = request.form;
    const int64_t choices = request.choices;
    if (form.kind != AnswerForm::Kind::kAny)
      std::ranges::copy(forms_.ends(), std::back_inserter(prepared.ends));
    const auto served =
        std::make_shared<ServedRequest>(id, std::move(request), std::move(prepared),
                                        std::move(pictures), std::move(listener), *tokenizer_);
    if (form.kind != AnswerForm::Kind::kAny)
      for (int choice = 0; choice < choices; ++choice)
        served->restrict_to(choice, forms_.mask(form), model_.config.decoder.vocab);
    loop.submit(served);
    return id;
  });
}

void LocalEngine::cancel(RequestId id) {
  serving().cancel(id);
}

EngineStatus LocalEngine::status() const {
  EngineStatus out{.ready = true};
  double vision_busy_s = 0;
  {
    const std::lock_guard lock(serving_mutex_);
    if (serving_) {
      out = serving_->status();
      vision_busy_s = serving_->vision_busy_s();
    } else {
      out.kv_blocks = blocks_->capacity();
      try {
        pipeline_->check_gpus();
      } catch (const Error& e) {
        out = {.ready = false, .why_not = e.what(), .kv_blocks = out.kv_blocks};
      }
    }
  }
  out.plan_epoch = pipeline_->epoch();
  const auto device = [&](const PlanStage& stage) {
    DeviceStatus one{.name = devices_.devices[static_cast<size_t>(stage.device)]->info().name};
    if (stage.vision) one.busy_s = vision_busy_s;
    return one;
  };
  for (size_t i = 0; i < plan_.stages.size(); ++i) {
    const StageTimes times = pipeline_->times(static_cast<int>(i));
    DeviceStatus& one = out.devices.emplace_back(device(plan_.stages[i]));
    one.stage = static_cast<int>(i);
    one.busy_s += times.prefill_s + times.decode_s;
    one.steps = times.prefill_steps + times.decode_steps;
    one.rows = times.prefill_rows + times.decode_rows;
    if (i + 1 < plan_.stages.size())
      one.link_bytes =
          static_cast<uint64_t>(one.rows * model_.config.decoder.hidden) * dtype_bytes(DType::kF32);
    one.planned_s = static_cast<double>(times.decode_steps) * plan_.stages[i].decode_s;
    one.measured_s = times.decode_s;
  }
  for (const PlanStage& stage : plan_.side_devices) out.devices.push_back(device(stage));
  return out;
}

std::string LocalEngine::model_name() const {
  return std::filesystem::weakly_canonical(model_.config.dir).filename().string();
}

std::vector<int32_t> LocalEngine::tokenize(std::string_view text) const {
  return tokenizer_->encode(text, Tokenizer::Specials::kAsText);
}

std::string LocalEngine::detokenize(std::span<const int32_t> ids) const {
  return tokenizer_->decode(ids);
}

std::string LocalEngine::token_bytes(int32_t id) const {
  const Fragment fragment = tokenizer_->fragment(id);
  return std::string(fragment.kind == Fragment::Kind::kHidden ? "" : fragment.bytes);
}

}  // namespace tessera
