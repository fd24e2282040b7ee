#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/cancel.h"
#include "tessera/engine.h"

namespace tessera {

/// What lower precisions do to a model's answers: which to measure, against what, over which
/// tokens.
struct QualityOptions {
  EngineOptions engine;  ///< devices and context; its precisions and plan file are not looked at
  std::optional<Precision> reference = {};   ///< f32 or bf16; by default the model's own
  std::vector<Precision> precisions = {};    ///< of all layers; empty: see bench_quality
  std::vector<std::string> plan_files = {};  ///< measure the precisions of these plans too
  std::optional<KvFormat> kv = {};           ///< measure keys and values kept so too
  int64_t mixed_plans = 0;  ///< so many random assignments of `precisions` to layers too

  std::string text_file = {};     ///< empty: without pictures a short text that is built in
  std::string image_folder = {};  ///< each picture in it is asked about
  std::string question = "What is in the picture?";
  int64_t max_tokens = 2048;       ///< of the text
  int64_t max_pictures = 16;       ///< in the order of their names
  int64_t max_answer_tokens = 64;  ///< of the reference's answer about one

  bool measure_sensitivities = false;
  int64_t sample_tokens = 512;  ///< that each unit's sensitivity is measured over

  /// Called after each chunk, from the caller's thread: what is measured now, and how much of all.
  std::function<void(std::string_view what, double share)> on_progress = {};
};

/// One way to store the model's layers and head, compared with the reference over the same tokens.
struct QualityResult {
  std::string name;  ///< "int8", a plan's file, "mixed 3", "kv int8"
  Precision reference = Precision::kBF16;
  std::vector<Precision> layers;
  Precision head = Precision::kBF16;
  int64_t tokens = 0;
  double kl = 0;        ///< mean over the tokens, nats, of the reference's distribution to this one
  double kl_error = 0;  ///< its standard error
  double top1 = 0;      ///< share of the tokens where both find the same one likeliest
  double perplexity = 0, reference_perplexity = 0;
  std::optional<double> predicted_kl = {};  ///< the sum of the units' sensitivities
};

/// What storing one unit alone at a lower precision costs: mean KL in nats a token.
struct UnitSensitivity {
  std::string unit;  ///< "layer 3", "head"
  std::vector<std::pair<Precision, double>> kl;
};

struct QualityBench {
  int64_t text_tokens = 0, pictures = 0, picture_tokens = 0;  ///< compared
  std::vector<QualityResult> results;
  std::vector<UnitSensitivity> sensitivities;   ///< in the order of the layers, then the head
  std::string sensitivities_json = {};          ///< the same for EngineOptions::sensitivities_file
  std::optional<double> rank_correlation = {};  ///< of predicted and measured KL of mixed plans
};

/// Loads the model at the reference precision, then stores its units at one lower precision after
/// the other in the same memory, and compares the distributions of the next token over every token
/// of a text (teacher-forced, in windows of the context) and, for each picture, of a question and
/// of the answer that the reference gives.
///
/// Unless precisions are named, int8, int6, int5 and int4 are measured, and for a model in bf16
/// with less than 1 GiB of weights bf16 against f32 as well. The head and the tables stay as the
/// planner has them: heads are int8 at least. Results hold for any split, which never changes a
/// bit of the logits.
///
/// With `kv`, an engine with the reference's weights that keeps keys and values so comes after the
/// others.
///
/// With sensitivities measured, or EngineOptions::sensitivities_file given, results say what KL
/// these predict.
///
/// The reference's logits, four bytes for each token and entry of the vocabulary, are kept in a
/// temporary file without a name (base/temp_file.h). Throws Error when the model does not fit at
/// the reference precision, when there is no room for that file, for texts, pictures and plans that
/// do not fit the model; Cancelled.
QualityBench bench_quality(const QualityOptions& options, const CancelFlag* cancel = nullptr);

}  // namespace tessera
