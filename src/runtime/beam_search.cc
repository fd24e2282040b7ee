#include "runtime/beam_search.h"

#include <algorithm>

#include "ops/sampling.h"

namespace tessera {
namespace {

struct Beam {
  BlockTable table;
  std::vector<int32_t> tokens;
  double score = 0;  // sum of log probabilities
};

struct Candidate {
  size_t beam;
  int32_t token;
  double score;
};

struct Finished {
  std::vector<int32_t> tokens;
  double score;  // mean log probability
  bool stopped;
};

// The `count` best one-token extensions, best first; of equals the earlier beam, the lower token.
std::vector<Candidate> best_extensions(const std::vector<Beam>& beams,
                                       std::span<const float> logits, size_t count) {
  const size_t vocab = logits.size() / beams.size();
  std::vector<Candidate> all;
  for (size_t b = 0; b < beams.size(); ++b) {
    const std::vector<float> log_probability = log_softmax(logits.subspan(b * vocab, vocab));
    for (const TokenLogit& top :
         top_logits(log_probability, static_cast<int64_t>(std::min(count, vocab))))
      all.push_back({.beam = b, .token = top.token, .score = beams[b].score + top.logit});
  }
  std::ranges::stable_sort(all, std::greater{}, &Candidate::score);
  if (all.size() > count) all.resize(count);
  return all;
}

void keep_best(std::vector<Finished>& finished, Finished answer, size_t count) {
  const auto place =
      std::ranges::upper_bound(finished, answer.score, std::greater{}, &Finished::score);
  finished.insert(place, std::move(answer));
  if (finished.size() > count) finished.pop_back();
}

}  // namespace

BeamResult beam_search(SequenceRunner& runner, BlockTable table, int64_t position,
                       std::span<const float> prompt_logits, const BeamOptions& options,
                       const CancelFlag* cancel) {
  const auto width = static_cast<size_t>(options.beams);
  std::vector<Beam> beams;
  beams.push_back({.table = std::move(table), .tokens = {}, .score = 0});
  std::vector<Finished> finished;
  std::vector<float> logits(prompt_logits.begin(), prompt_logits.end());

  for (int64_t length = 1; length <= options.max_new_tokens; ++length) {
    std::vector<Beam> next;
    const std::vector<Candidate> candidates = best_extensions(beams, logits, 2 * width);
    for (size_t rank = 0; rank < candidates.size(); ++rank) {
      const Candidate& candidate = candidates[rank];
      std::vector<int32_t> tokens = beams[candidate.beam].tokens;
      tokens.push_back(candidate.token);
      const bool stops = options.ends(tokens);
      if (stops || length == options.max_new_tokens) {
        if (rank < width)
          keep_best(finished,
                    {.tokens = std::move(tokens),
                     .score = candidate.score / static_cast<double>(length),
                     .stopped = stops},
                    width);
      } else if (next.size() < width) {
        next.push_back({.table = beams[candidate.beam].table.fork(),
                        .tokens = std::move(tokens),
                        .score = candidate.score});
      }
    }
    beams = std::move(next);
    if (beams.empty()) break;
    const double best_possible = beams.front().score / static_cast<double>(length);
    if (finished.size() == width && finished.back().score >= best_possible) break;

    std::vector<DecodeRow> rows;
    rows.reserve(beams.size());
    for (Beam& beam : beams)
      rows.push_back({.table = &beam.table,
                      .token = beam.tokens.back(),
                      .position = position + length - 1,
                      .wanted = {}});
    StepResult step = runner.decode(rows, true, cancel);
    if (step.cancelled) return {.tokens = beams.front().tokens, .cancelled = true};
    logits = std::move(step.logits);
  }
  const Finished& best = finished.front();
  return {.tokens = best.tokens, .score = best.score, .stopped = best.stopped};
}

}  // namespace tessera
