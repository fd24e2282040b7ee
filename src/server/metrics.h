#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tessera/engine.h"

namespace tessera {

/// What Prometheus may scrape: histograms of what requests saw, kept here, and what the engine says
/// of itself at the moment of the scrape (engine_metrics.h). Names and units: docs/server.md. Any
/// thread. The engine must outlive it.
class Metrics {
 public:
  explicit Metrics(const Engine& engine);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// A token came `seconds` after the one before it. Once a token: cheap.
  void token_after(double seconds);
  /// A streamed token was with the system `seconds` after it was drawn. Once a token, too.
  void delivered_after(double seconds);
  void answered(const AnswerSummary& summary);
  /// A request that got no answer: "invalid", "unknown_model", "refused", "unavailable", "failed".
  void turned_away(std::string_view outcome);

  /// All of it in Prometheus' text format.
  std::string text() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
