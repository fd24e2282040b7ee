#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>

#include "server/engine_metrics.h"

namespace tessera {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

// Half-decades with their middles: a percentile read off them is right within 40 %.
const Buckets kBetweenTokens = {0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05,
                                0.075, 0.1,   0.2,   0.5,  1,     2,    5};
const Buckets kDeliveries = {0.00002, 0.00005, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.001,
                             0.002,   0.005,   0.01,   0.02,    0.05,   0.1,    1};
const Buckets kWaits = {0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120};
const Buckets kDurations = {0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800};
const Buckets kTokens = {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536};

std::string outcome_of(const AnswerSummary& summary) {
  if (summary.error) return "failed";
  const auto has = [&](FinishReason reason) {
    const auto& reasons = summary.finish_reasons;
    return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
  };
  if (has(FinishReason::kCancelled)) return "cancelled";
  return has(FinishReason::kLength) ? "length" : "stop";
}

}  // namespace

struct Metrics::State {
  explicit State(const Engine& engine_in)
      : engine(engine_in),
        first_token(histogram("tessera_time_to_first_token_seconds",
                              "From a request's arrival in the engine to its first token", kWaits)),
        between_tokens(histogram("tessera_inter_token_seconds",
                                 "From one token of an answer to its next", kBetweenTokens)),
        delivery(histogram("tessera_token_delivery_seconds",
                           "From a streamed token's drawing until the system has it for the client",
                           kDeliveries)),
        queue(histogram("tessera_queue_seconds", "Before a request's first rows ran", kWaits)),
        duration(histogram("tessera_request_seconds", "From a request's arrival to its end",
                           kDurations)),
        prompt_tokens(histogram("tessera_request_prompt_tokens",
                                "Of one request, pictures' rows included", kTokens)),
        new_tokens(histogram("tessera_request_new_tokens", "Of one request, all choices", kTokens)),
        outcomes(prometheus::BuildCounter()
                     .Name("tessera_requests_total")
                     .Help("Requests for answers that have ended, by outcome")
                     .Register(registry)) {}

  prometheus::Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
  }
  void count(const std::string& outcome) { outcomes.Add({{"outcome", outcome}}).Increment(); }

  const Engine& engine;
  prometheus::Registry registry;
  prometheus::Histogram &first_token, &between_tokens, &delivery, &queue, &duration, &prompt_tokens,
      &new_tokens;
  prometheus::Family<prometheus::Counter>& outcomes;
};

Metrics::Metrics(const Engine& engine) : state_(std::make_unique<State>(engine)) {
  for (const char* outcome : {"stop", "length", "cancelled", "failed", "invalid", "unknown_model",
                              "refused", "unavailable"})
    state_->outcomes.Add({{"outcome", outcome}});  // a rate needs the zero that it starts from
}
Metrics::~Metrics() = default;

void Metrics::token_after(double seconds) {
  state_->between_tokens.Observe(seconds);
}

void Metrics::delivered_after(double seconds) {
  state_->delivery.Observe(seconds);
}

void Metrics::answered(const AnswerSummary& summary) {
  state_->count(outcome_of(summary));
  state_->queue.Observe(summary.queued_s);
  state_->duration.Observe(summary.total_s);
  if (summary.new_tokens > 0) state_->first_token.Observe(summary.first_token_s);
  state_->prompt_tokens.Observe(static_cast<double>(summary.prompt_tokens));
  state_->new_tokens.Observe(static_cast<double>(summary.new_tokens));
}

void Metrics::turned_away(std::string_view outcome) {
  state_->count(std::string(outcome));
}

std::string Metrics::text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  std::vector<prometheus::MetricFamily> engine = engine_families(state_->engine);
  std::move(engine.begin(), engine.end(), std::back_inserter(families));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tessera
