#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <random>

#include "base/clock.h"
#include "runtime/local_engine.h"
#include "tessera/bench.h"

namespace tessera {
namespace {

PromptTokens random_prompt(int64_t tokens, int64_t vocab) {
  std::mt19937 random(1);
  PromptTokens prompt;
  for (int64_t i = 0; i < tokens; ++i)
    prompt.ids.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(vocab)));
  prompt.prompt_ids = prompt.ids;
  return prompt;
}

// Sequences of one engine that start with the same prompt, and the times of what they did.
class Run {
 public:
  Run(LocalEngine& engine, const ModelBenchOptions& options, const CancelFlag* cancel)
      : engine_(engine),
        options_(options),
        cancel_(cancel),
        prompt_(random_prompt(options.prompt_tokens, engine.model().config.decoder.vocab)) {}

  void prefill() {
    BlockTable& table = tables_.emplace_back(engine_.blocks());
    const double start = now_s();
    done(engine_.runner().prefill(prompt_, {}, table, {.draw = TokenDraw{}}, false, cancel_));
    prefill_s = std::min(prefill_s, now_s() - start);
  }

  // One token for each sequence; all of them read a cache of the same length.
  void decode(int64_t step) {
    std::vector<DecodeRow> rows;
    for (BlockTable& table : tables_)
      rows.push_back({.table = &table,
                      .token = 1,
                      .position = options_.prompt_tokens + step,
                      .wanted = {.draw = TokenDraw{}}});
    const double start = now_s();
    done(engine_.runner().decode(rows, false, cancel_));
    decode_step_s = std::min(decode_step_s, now_s() - start);
  }

  double prefill_s = std::numeric_limits<double>::infinity();
  double decode_step_s = std::numeric_limits<double>::infinity();

 private:
  static void done(const StepResult& result) {
    if (result.cancelled) throw Cancelled();
  }

  LocalEngine& engine_;
  const ModelBenchOptions& options_;
  const CancelFlag* cancel_;
  const PromptTokens prompt_;
  std::vector<BlockTable> tables_;
};

void count_work(const ModelSpec& model, const Plan& plan, const PipelineLimits& limits,
                ModelBench& bench) {
  const DecoderConfig& config = model.config.decoder;
  const auto prompt = static_cast<double>(bench.prompt_tokens);
  const double pair_flops = 4 * static_cast<double>(config.heads * config.head_dim);
  const int64_t middle = bench.prompt_tokens + bench.new_tokens / 2;
  const auto cached = static_cast<double>(middle * bench.sequences);
  for (const PlanStage& stage : plan.stages)
    for (int layer = stage.first_layer; layer <= stage.last_layer; ++layer) {
      const UnitSpec& unit = model.layers[static_cast<size_t>(layer)];
      const Precision precision = stage.precisions[static_cast<size_t>(layer - stage.first_layer)];
      bench.flops_per_prefill += 2 * prompt * static_cast<double>(unit.matmul_parameters()) +
                                 pair_flops * prompt * (prompt + 1) / 2;
      bench.bytes_per_decode_step +=
          static_cast<double>(layout_of(unit, precision).bytes) +
          cached * static_cast<double>(model.kv_bytes_per_token(limits.kv));
    }
  bench.flops_per_prefill += 2 * static_cast<double>(model.head.matmul_parameters());
  bench.bytes_per_decode_step +=
      static_cast<double>(layout_of(model.head, plan.head_precision).bytes);
}

}  // namespace

ModelBench bench_model(const ModelBenchOptions& options, const CancelFlag* cancel) {
  EngineOptions engine_options = options.engine;
  engine_options.sequences = options.sequences;
  LocalEngine engine(engine_options, cancel);
  const int64_t needed = options.prompt_tokens + options.new_tokens;
  if (needed > engine.context())
    throw UsageError({.where = "bench model",
                      .what = "tokens of prompt and answer",
                      .expected = fmt::format("at most {}, the context", engine.context()),
                      .found = fmt::format("{}", needed),
                      .hint = "raise --context"});

  ModelBench bench{.prompt_tokens = options.prompt_tokens,
                   .new_tokens = options.new_tokens,
                   .sequences = options.sequences,
                   .load_s = engine.load_s(),
                   .loaded_bytes = engine.loaded_bytes(),
                   .prefill_s = std::numeric_limits<double>::infinity(),
                   .decode_step_s = std::numeric_limits<double>::infinity(),
                   .plan = engine.plan()};
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    Run run(engine, options, cancel);
    for (int64_t i = 0; i < options.sequences; ++i) run.prefill();
    for (int64_t step = 0; step < options.new_tokens; ++step) run.decode(step);
    bench.prefill_s = std::min(bench.prefill_s, run.prefill_s);
    bench.decode_step_s = std::min(bench.decode_step_s, run.decode_step_s);
  }
  bench.devices = engine.devices();
  count_work(engine.model(), engine.plan(), engine.limits(), bench);
  return bench;
}

}  // namespace tessera
