#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/out_of_memory.h"
#include "base/units.h"
#include "checkpoint/packed_manifest.h"
#include "plan/plan_file.h"
#include "runtime/plan_problem.h"
#include "runtime/quality_engine.h"
#include "runtime/rank_correlation.h"
#include "runtime/unit_precisions.h"
#include "tessera/quality.h"

namespace tessera {
namespace {

constexpr uint64_t kSmallBytes = kGiB;         // a model that is worth a look in f32 as well
constexpr int64_t kQuestionTokens = 256;       // room beside a picture's rows and its answer
constexpr Precision kBase = Precision::kBF16;  // what lower precisions are stored beside

bool in_bf16_and_small(const ModelSpec& model) {
  uint64_t bytes = layout_of(model.head, Precision::kF32).bytes;
  for (const UnitSpec& layer : model.layers) bytes += layout_of(layer, Precision::kF32).bytes;
  return own_precision(model) == Precision::kBF16 && bytes < kSmallBytes;
}

// One run of the command: what it measures with, and what it has found so far.
class QualityRun {
 public:
  QualityRun(const QualityOptions& options, const CancelFlag* cancel)
      : options_(options),
        cancel_(cancel),
        model_(describe_model(read_model_config(options.engine.model_path))),
        reference_(options.reference.value_or(own_precision(model_))),
        precisions_(options.precisions) {
    if (precisions_.empty()) {
      if (own_precision(model_) == Precision::kF32 || in_bf16_and_small(model_))
        precisions_.push_back(Precision::kBF16);
      for (const Precision lower :
           {Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
        precisions_.push_back(lower);
    }
    check_options();
    for (const std::string& file : options.plan_files)
      plans_.push_back(profile_of_plan(read_plan_file(file), layer_count(), kBase, file));
    if (!options.engine.sensitivities_file.empty()) read_known_sensitivities();
  }

  QualityBench run() {
    const bool with_f32 = reference_ == Precision::kF32 || wanted(Precision::kBF16);
    std::optional<LogitSpool> in_f32;
    if (with_f32) {
      open(Precision::kF32, "f32");
      in_f32.emplace(make_spool());
      engine_->record(all_, *in_f32, progress("f32"));
      engine_.reset();
    }
    open(kBase, precision_name(kBase));
    LogitSpool in_base = make_spool();
    if (with_f32) {
      const Divergence found = engine_->compare("bf16", engine_->uniform(kBase), all_, *in_f32,
                                                progress("bf16"), &in_base);
      if (wanted(kBase)) add_result("bf16", engine_->uniform(kBase), Precision::kF32, found);
    } else {
      engine_->record(all_, in_base, progress("bf16"));
    }
    if (options_.measure_sensitivities) measure_sensitivities(in_base);
    const LogitSpool& reference = reference_ == Precision::kF32 ? *in_f32 : in_base;
    compare_all(reference);
    if (options_.kv) compare_kv(*options_.kv, reference);
    return std::move(bench_);
  }

 private:
  int64_t layer_count() const { return static_cast<int64_t>(model_.layers.size()); }
  bool wanted(Precision precision) const { return std::ranges::count(precisions_, precision) > 0; }

  std::vector<Precision> lower_precisions() const {
    std::vector<Precision> lower;
    std::ranges::copy_if(precisions_, std::back_inserter(lower),
                         [](Precision precision) { return precision > kBase; });
    return lower;
  }

  void check_options() const {
    if (const auto manifest = find_packed_manifest(model_.config.dir))
      throw Error({.where = model_.config.dir,
                   .expected = "a checkpoint as it was published",
                   .found = fmt::format("a copy packed in {}", precision_name(manifest->precision)),
                   .hint = "measure the original: " + manifest->source});
    const auto refuse = [](const char* where, const char* expected, std::string_view found) {
      throw UsageError({.where = where, .expected = expected, .found = std::string(found)});
    };
    if (reference_ > Precision::kBF16)
      refuse("--reference", "f32 or bf16", precision_name(reference_));
    for (const Precision precision : precisions_)
      if (precision == Precision::kF32 || precision == Precision::kFp8)
        refuse("--precision", "bf16, int8, int6, int5 or int4", precision_name(precision));
    const bool to_lower = options_.measure_sensitivities || options_.mixed_plans > 0;
    if (to_lower && lower_precisions().empty())
      refuse("--precision", "at least one below bf16 to store units in", "none");
    if (!options_.image_folder.empty() && !model_.vision)
      refuse("--images", "a model that takes pictures", "one that does not");
  }

  void read_known_sensitivities() {
    const std::string& file = options_.engine.sensitivities_file;
    known_ = read_sensitivities(file);
    // Whether they are of this model is what the planner asks of them.
    PlanProblem problem{.own = kBase};
    for (const UnitSpec& layer : model_.layers)
      problem.layers.push_back(
          {.costs = {
               {kBase, {.flops_per_token = 2 * static_cast<double>(layer.matmul_parameters())}}}});
    use_sensitivities(problem, *known_, file);
  }

  bool with_text() const { return !options_.text_file.empty() || options_.image_folder.empty(); }

  // What the tokens need of the context that the model has.
  EngineOptions engine_options() const {
    EngineOptions options = options_.engine;
    if (options.context > 0) return options;
    const int64_t text = with_text() ? options_.max_tokens + 1 : 0;
    const int64_t picture =
        options_.image_folder.empty()
            ? 0
            : model_.config.vision->rows_out() + kQuestionTokens + options_.max_answer_tokens;
    options.context = std::min(model_.config.decoder.max_positions, std::max(text, picture));
    return options;
  }

  void open(Precision precision, std::string_view what, std::string_view kv = "auto") {
    report(what, 0);
    EngineOptions options = engine_options();
    options.kv = kv;
    engine_.emplace(options, precision, cancel_);
    if (!options_.image_folder.empty() && pictures_.empty())
      pictures_ = pictures_in(options_.image_folder, options_.max_pictures);
    engine_->take_pictures(pictures_);
    if (all_.empty()) collect_sequences();
  }

  void collect_sequences() {
    if (with_text()) text_ = text_sequences();
    for (size_t i = 0; i < pictures_.size(); ++i) {
      report("answers of the reference", 0);
      answers_.push_back(answer_sequence(pictures_[i]));
      answers_.back().picture = static_cast<int>(i);
    }
    bench_.text_tokens = number_rows(text_, 0);
    rows_ = number_rows(answers_, bench_.text_tokens);
    bench_.pictures = static_cast<int64_t>(answers_.size());
    bench_.picture_tokens = rows_ - bench_.text_tokens;
    if (rows_ == 0)
      throw Error({.where = options_.text_file,
                   .expected = "a text of at least two tokens",
                   .found = "less"});
    all_ = text_;
    all_.insert(all_.end(), answers_.begin(), answers_.end());
    count_passes();
  }

  std::vector<ScoredSequence> text_sequences() {
    const Tokenizer& tokenizer = engine_->engine().tokenizer();
    const std::string text =
        options_.text_file.empty() ? std::string(built_in_text()) : read_text(options_.text_file);
    std::vector<int32_t> ids = tokenizer.encode(text, Tokenizer::Specials::kAsText);
    if (ids.size() > static_cast<size_t>(options_.max_tokens))
      ids.resize(static_cast<size_t>(options_.max_tokens));
    return text_windows(ids, engine_->engine().context(),
                        tokenizer.add_bos() ? tokenizer.bos_id() : -1);
  }

  ScoredSequence answer_sequence(const std::string& picture) {
    const Request request{
        .messages = {{.text = options_.question, .pictures = {{.name = picture}}}},
        .temperature = 0,
        .max_new_tokens = options_.max_answer_tokens};
    const Answer answer = engine_->engine().generate(request, {}, cancel_);
    if (answer.finish_reason == FinishReason::kCancelled) throw Cancelled();
    std::vector<int32_t> ids = answer.prompt_ids;
    ids.insert(ids.end(), answer.token_ids.begin(), answer.token_ids.end());
    return conversation(std::move(ids), model_.config.vision->rows_out());
  }

  LogitSpool make_spool() const { return {rows_, model_.config.decoder.vocab}; }

  void count_passes() {
    const auto lower = static_cast<int64_t>(lower_precisions().size());
    const int64_t references = reference_ == Precision::kF32 || wanted(Precision::kBF16) ? 2 : 1;
    total_ = rows_ * (references + lower + static_cast<int64_t>(plans_.size()) +
                      options_.mixed_plans + (options_.kv ? 1 : 0));
    if (options_.measure_sensitivities)  // the head has int8 alone
      total_ += std::min(rows_, options_.sample_tokens) * (layer_count() * lower + 1);
  }

  void report(std::string_view what, int64_t rows) {
    done_ += rows;
    if (options_.on_progress)
      options_.on_progress(
          what,
          total_ > 0 ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0);
  }
  QualityEngine::OnRows progress(std::string what) {
    return [this, what = std::move(what)](int64_t rows) { report(what, rows); };
  }

  void add_result(const std::string& name, const Profile& profile, Precision reference,
                  const Divergence& found) {
    QualityResult& result = bench_.results.emplace_back(
        QualityResult{.name = name,
                      .reference = reference,
                      .layers = profile.layers,
                      .head = profile.head,
                      .tokens = found.rows(),
                      .kl = found.mean_kl(),
                      .kl_error = found.kl_error(),
                      .top1 = found.top1_agreement(),
                      .perplexity = found.perplexity(),
                      .reference_perplexity = found.reference_perplexity()});
    if (known_ && reference == known_->reference)
      result.predicted_kl = predicted_loss(*known_, profile);
  }

  // Half of them of each kind where there are both.
  std::vector<ScoredSequence> sample() const {
    const int64_t text = answers_.empty() ? options_.sample_tokens : options_.sample_tokens / 2;
    std::vector<ScoredSequence> rows = first_rows(text_, text);
    int64_t taken = 0;
    for (const ScoredSequence& sequence : rows) taken += sequence.rows();
    const std::vector<ScoredSequence> more = first_rows(answers_, options_.sample_tokens - taken);
    rows.insert(rows.end(), more.begin(), more.end());
    return rows;
  }

  void measure_sensitivities(const LogitSpool& base) {
    const std::vector<ScoredSequence> rows = sample();
    const Profile as_published = engine_->uniform(kBase);
    Sensitivities measured{.reference = kBase,
                           .layer_parameters = model_.layers.front().matmul_parameters(),
                           .layers = {},
                           .head = {}};
    const auto measure = [&](const std::string& unit, Precision precision, const Profile& lowered,
                             Sensitivities::Unit& into) {
      const std::string name = fmt::format("{} at {}", unit, precision_name(precision));
      const Divergence found = engine_->compare(name, lowered, rows, base, progress(name));
      measured.tokens = found.rows();
      into[precision] = found.mean_kl();
    };
    for (size_t layer = 0; layer < model_.layers.size(); ++layer) {
      Sensitivities::Unit& unit = measured.layers.emplace_back();
      for (const Precision precision : lower_precisions()) {
        Profile lowered = as_published;
        lowered.layers[layer] = precision;
        measure(model_.layers[layer].name, precision, lowered, unit);
      }
    }
    Profile lowered = as_published;
    lowered.head = Precision::kInt8;
    measure(model_.head.name, Precision::kInt8, lowered, measured.head);

    const auto tell = [&](const UnitSpec& unit, const Sensitivities::Unit& kl) {
      bench_.sensitivities.push_back({.unit = unit.name, .kl = {kl.begin(), kl.end()}});
    };
    for (size_t layer = 0; layer < model_.layers.size(); ++layer)
      tell(model_.layers[layer], measured.layers[layer]);
    tell(model_.head, measured.head);
    bench_.sensitivities_json = sensitivities_to_text(measured);
    known_ = std::move(measured);
  }

  void compare_all(const LogitSpool& reference) {
    const auto compare = [&](const std::string& name, const Profile& profile) {
      add_result(name, profile, reference_,
                 engine_->compare(name, profile, all_, reference, progress(name)));
    };
    for (const Precision precision : lower_precisions())
      compare(std::string(precision_name(precision)), engine_->uniform(precision));
    for (size_t i = 0; i < plans_.size(); ++i) compare(options_.plan_files[i], plans_[i]);
    if (options_.mixed_plans == 0) return;

    std::vector<Precision> mixed = lower_precisions();
    mixed.push_back(kBase);
    std::mt19937 random(1);
    std::vector<double> predicted, found;
    for (int64_t i = 0; i < options_.mixed_plans; ++i) {
      compare(fmt::format("mixed {}", i + 1), random_profile(mixed, layer_count(), random));
      predicted.push_back(bench_.results.back().predicted_kl.value_or(0));
      found.push_back(bench_.results.back().kl);
    }
    bench_.rank_correlation = rank_correlation(predicted, found);
  }

  void compare_kv(KvFormat format, const LogitSpool& reference) {
    const std::string name = fmt::format("kv {}", kv_format_name(format));
    engine_.reset();
    open(reference_, name, kv_format_name(format));
    const Profile profile = engine_->uniform(reference_);
    add_result(name, profile, reference_,
               engine_->compare(name, profile, all_, reference, progress(name)));
    bench_.results.back().predicted_kl.reset();  // of weights alone
  }

  const QualityOptions& options_;
  const CancelFlag* const cancel_;
  const ModelSpec model_;
  const Precision reference_;
  std::vector<Precision> precisions_;
  std::vector<Profile> plans_;
  std::optional<Sensitivities> known_;

  std::optional<QualityEngine> engine_;
  std::vector<std::string> pictures_;
  std::vector<ScoredSequence> text_, answers_, all_;
  int64_t rows_ = 0, total_ = 0, done_ = 0;  // compared in one pass; of all passes
  QualityBench bench_;
};

}  // namespace

QualityBench bench_quality(const QualityOptions& options, const CancelFlag* cancel) {
  return with_out_of_memory_as_error(options.engine.model_path,
                                     [&] { return QualityRun(options, cancel).run(); });
}

}  // namespace tessera
