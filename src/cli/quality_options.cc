#include "cli/quality_options.h"

#include "cli/option_values.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int64_t kMaxComparedTokens = 1 << 20;
constexpr int64_t kMaxComparedPictures = 10'000;
constexpr int64_t kMaxMixedPlans = 10'000;

}  // namespace

void add_quality(OptionSet& options, BenchQualityCommand& command) {
  QualityOptions& quality = command.quality;
  const auto count = [&](const std::string& name, int64_t& to, int64_t most,
                         const std::string& description) {
    options.value(
        name, "N",
        [&to, name, most](const std::string& value) { to = parse_integer(name, value, 1, most); },
        description);
  };
  const auto text = [&](const std::string& name, const std::string& kind, std::string& to,
                        const std::string& description) {
    options.value(
        name, kind,
        [&to, name](const std::string& value) {
          if (value.empty())
            throw UsageError({.where = name, .expected = "a value", .found = "nothing"});
          to = value;
        },
        description);
  };

  options.group("What to measure");
  options.value(
      "--precision", "LIST",
      [&quality](const std::string& value) {
        quality.precisions = parse_precisions("--precision", value);
      },
      "Store all layers so: bf16 (beside f32), int8,int6,int5,int4 (default: the latter, and of a "
      "small model bf16)");
  options.value(
      "--reference", "P",
      [&quality](const std::string& value) {
        quality.reference = parse_one_precision("--reference", value);
      },
      "Compare with f32 or bf16 (default: the model's own)");
  options.value(
      "--kv", "P",
      [&quality](const std::string& value) { quality.kv = parse_one_kv_format("--kv", value); },
      "Keep keys and values as f32, bf16 or int8, too, with the weights of the reference");
  options.values(
      "--plan", "FILE",
      [&quality](const std::string& value) { quality.plan_files.push_back(value); },
      "Store each layer as this plan does, too; several: one --plan for each");
  count("--mixed-plans", quality.mixed_plans, kMaxMixedPlans,
        "Store layers in N random mixtures, too, and tell how well sensitivities rank them");
  text("--measure-sensitivities", "FILE", command.sensitivities_to,
       "Measure what each layer costs alone at each precision, and write it for --sensitivities");

  options.group("Tokens to compare");
  text("--text", "F", quality.text_file,
       "The first MiB of this text (default: without pictures one that is built in)");
  text("--images", "DIR", quality.image_folder,
       "A question about each picture in DIR, and the reference's answer");
  text("--question", "Q", quality.question,
       "What to ask about each (default: " + quality.question + ")");
  count("--tokens", quality.max_tokens, kMaxComparedTokens, "Most of the text (default: 2048)");
  count("--pictures", quality.max_pictures, kMaxComparedPictures,
        "Most pictures, in the order of their names (default: 16)");
  count("--max-new-tokens", quality.max_answer_tokens, kMaxComparedTokens,
        "Longest answer about a picture (default: 64)");
  count("--sample-tokens", quality.sample_tokens, kMaxComparedTokens,
        "Most for each sensitivity (default: 512)");
}

void check_quality(const BenchQualityCommand& command) {
  const QualityOptions& quality = command.quality;
  const bool known = !quality.engine.sensitivities_file.empty();
  if (!command.sensitivities_to.empty() && known)
    throw UsageError({.where = "--measure-sensitivities", .what = "contradicts --sensitivities"});
  if (quality.mixed_plans > 0 && command.sensitivities_to.empty() && !known)
    throw UsageError({.where = "--mixed-plans",
                      .what = "nothing predicts their losses",
                      .hint = "add --sensitivities or --measure-sensitivities"});
}

}  // namespace tessera
