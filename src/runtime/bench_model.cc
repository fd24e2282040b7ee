#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <random>

#include "base/clock.h"
#include "device/read_bandwidth.h"
#include "plan/device_spec.h"
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

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// The bandwidth of memory around each of several steps.
class ReadsBeside {
 public:
  explicit ReadsBeside(const std::string& devices)
      : pool_(threads_of(devices)), probe_(pool_, uncached_bytes(read_host_info())) {}

  void before() { before_ = probe_.pass(); }
  void after(double step_s) {
    const double rate = (before_ + probe_.pass()) / 2;
    rates_.push_back(rate);
    readable_.push_back(rate * step_s);
  }

  double bytes_per_s() const { return median(rates_); }
  double readable_bytes() const { return median(readable_); }  // in the time of a step

 private:
  // As many as the largest device has: in a step of one sequence devices take turns.
  static int threads_of(const std::string& devices) {
    int most = 0;
    for (const DeviceSpec& device : parse_devices(devices))
      most = std::max(most, device.threads > 0 ? device.threads : read_host_info().usable_cores());
    return most;
  }

  WorkerPool pool_;
  ReadProbe probe_;
  double before_ = 0;
  std::vector<double> rates_, readable_;
};

// Sequences of one engine that start with the same prompt, and the times of what they did.
class Run {
 public:
  Run(LocalEngine& engine, const ModelBenchOptions& options, ReadsBeside* reads,
      const CancelFlag* cancel)
      : engine_(engine),
        options_(options),
        reads_(reads),
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
    if (reads_ != nullptr) reads_->before();
    const double start = now_s();
    done(engine_.runner().decode(rows, false, cancel_));
    const double step_s = now_s() - start;
    if (reads_ != nullptr) reads_->after(step_s);
    decode_step_s = std::min(decode_step_s, step_s);
  }

  double prefill_s = std::numeric_limits<double>::infinity();
  double decode_step_s = std::numeric_limits<double>::infinity();

 private:
  static void done(const StepResult& result) {
    if (result.cancelled) throw Cancelled();
  }

  LocalEngine& engine_;
  const ModelBenchOptions& options_;
  ReadsBeside* reads_;  // null: none are wanted
  const CancelFlag* cancel_;
  const PromptTokens prompt_;
  std::vector<BlockTable> tables_;
};

// Seconds of a picture of noise, the shortest of the repeats.
double time_picture(LocalEngine& engine, int repeats, const CancelFlag* cancel) {
  const VisionConfig& config = *engine.model().config.vision;
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> pixels(
      static_cast<size_t>(config.channels * config.image_size * config.image_size));
  for (float& pixel : pixels) pixel = normal(random);
  double shortest_s = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const std::unique_ptr<ImageRows> rows = engine.vision().encode(pixels, cancel);
    rows->ready->synchronize();
    if (cancel != nullptr) cancel->check();
    shortest_s = std::min(shortest_s, rows->encode_s());
  }
  return shortest_s;
}

double planned_picture_s(const Plan& plan) {
  for (const std::vector<PlanStage>* held : {&plan.stages, &plan.side_devices})
    for (const PlanStage& stage : *held)
      if (stage.vision) return stage.vision_s;
  return 0;
}

double picture_flops(const ModelSpec& model) {
  const VisionConfig& config = *model.config.vision;
  const auto tokens = static_cast<double>(config.patches() + 1);
  const auto pair_flops = 4 * static_cast<double>(config.hidden * config.blocks_used);
  return 2 * tokens * static_cast<double>(model.vision->matmul_parameters()) +
         pair_flops * tokens * tokens;
}

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
  engine_options.question_tokens = options.prompt_tokens;
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
  std::optional<ReadsBeside> reads;
  if (options.reads) reads.emplace(options.engine.devices);
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    Run run(engine, options, reads ? &*reads : nullptr, cancel);
    for (int64_t i = 0; i < options.sequences; ++i) run.prefill();
    for (int64_t step = 0; step < options.new_tokens; ++step) run.decode(step);
    bench.prefill_s = std::min(bench.prefill_s, run.prefill_s);
    bench.decode_step_s = std::min(bench.decode_step_s, run.decode_step_s);
  }
  if (engine.takes_pictures()) {
    bench.picture_s = time_picture(engine, options.repeats, cancel);
    bench.planned_picture_s = planned_picture_s(engine.plan());
    bench.picture_tokens = engine.model().config.vision->rows_out();
    bench.flops_per_picture = picture_flops(engine.model());
  }
  bench.devices = engine.devices();
  count_work(engine.model(), engine.plan(), engine.limits(), bench);
  if (reads) {
    bench.read_bytes_per_s = reads->bytes_per_s();
    bench.decode_share_of_reads = bench.bytes_per_decode_step / reads->readable_bytes();
  }
  return bench;
}

}  // namespace tessera
