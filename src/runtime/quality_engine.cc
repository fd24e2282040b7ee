#include "runtime/quality_engine.h"

#include <algorithm>
#include <cmath>

#include "device/host.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Rows that go through the head together: enough to read its weights seldom, few enough that their
// logits stay small (32 MiB for a vocabulary of 64,000).
constexpr int64_t kScoredRows = 128;

EngineOptions options_for(EngineOptions options, Precision precision) {
  options.precision = precision_name(precision);
  options.plan_file.clear();
  options.sensitivities_file.clear();
  options.sequences = 1;
  options.scored_rows = kScoredRows;
  return options;
}

}  // namespace

QualityEngine::QualityEngine(const EngineOptions& options, Precision precision,
                             const CancelFlag* cancel)
    : cancel_(cancel),
      engine_(std::make_unique<LocalEngine>(options_for(options, precision), cancel)),
      pool_(read_host_info().usable_cores()) {}

Profile QualityEngine::uniform(Precision precision) const {
  return {.layers = std::vector<Precision>(model().layers.size(), precision),
          .head = std::min(precision, Precision::kInt8)};
}

void QualityEngine::take_pictures(std::span<const std::string> files) {
  for (const std::string& file : files) {
    if (cancel_ != nullptr) cancel_->check();
    const Message message{.pictures = {{.name = file}}};
    const auto pixels = read_pictures({&message, 1}, *model().config.preprocess);
    pictures_.push_back(engine_->vision().encode(pixels.front(), cancel_));
  }
}

void QualityEngine::score(std::span<const ScoredSequence> sequences, const OnLogits& on_logits,
                          const OnRows& on_rows) {
  const int64_t vocab = model().config.decoder.vocab;
  for (const ScoredSequence& sequence : sequences) {
    BlockTable table(engine_->blocks());
    std::span<const std::unique_ptr<ImageRows>> picture;
    if (sequence.picture >= 0) picture = {&pictures_[static_cast<size_t>(sequence.picture)], 1};
    const bool whole = engine_->runner().score(
        sequence.prompt, picture, table, sequence.first_row,
        [&](int64_t first_row, std::span<const float> logits) {
          on_logits(sequence, first_row - sequence.first_row, logits);
          if (on_rows) on_rows(static_cast<int64_t>(logits.size()) / vocab);
        },
        cancel_);
    if (!whole) throw Cancelled();
  }
}

void QualityEngine::record(std::span<const ScoredSequence> sequences, LogitSpool& spool,
                           const OnRows& on_rows) {
  score(
      sequences,
      [&](const ScoredSequence& sequence, int64_t first, std::span<const float> logits) {
        spool.write(sequence.first_index + first, logits);
      },
      on_rows);
}

Divergence QualityEngine::compare(const std::string& name, const Profile& profile,
                                  std::span<const ScoredSequence> sequences,
                                  const LogitSpool& reference, const OnRows& on_rows,
                                  LogitSpool* own_spool) {
  engine_->change_precisions(profile.layers, profile.head, cancel_);
  const auto vocab = static_cast<size_t>(model().config.decoder.vocab);
  Divergence divergence;
  std::vector<float> wanted;
  std::vector<RowDivergence> rows;
  score(
      sequences,
      [&](const ScoredSequence& sequence, int64_t first, std::span<const float> logits) {
        wanted.resize(logits.size());
        rows.resize(logits.size() / vocab);
        reference.read(sequence.first_index + first, wanted);
        if (own_spool != nullptr) own_spool->write(sequence.first_index + first, logits);
        pool_.for_each(static_cast<int64_t>(rows.size()), [&](int64_t row) {
          const auto at = static_cast<size_t>(row);
          rows[at] = compare_rows(std::span(wanted).subspan(at * vocab, vocab),
                                  logits.subspan(at * vocab, vocab),
                                  sequence.next[static_cast<size_t>(first + row)]);
        });
        for (const RowDivergence& row : rows) divergence.add(row);
      },
      on_rows);
  if (!std::isfinite(divergence.mean_kl()))
    throw Error({.where = name,
                 .what = "KL divergence",
                 .expected = "logits that are numbers",
                 .found = "some that are not"});
  return divergence;
}

}  // namespace tessera
