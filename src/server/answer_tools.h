#pragma once

#include <vector>

#include "base/clock.h"
#include "server/metrics.h"

namespace tessera {

/// What answers share. Their listeners hold it, since an engine may end an answer when the routes
/// are gone already. The engine must outlive it.
struct AnswerTools {
  explicit AnswerTools(const Engine& from) : engine(from), metrics(from) {}

  const Engine& engine;
  Metrics metrics;
};

/// Times the tokens of one answer's choices. One thread.
class TokenClock {
 public:
  TokenClock(Metrics& metrics, int64_t choices)
      : metrics_(metrics), last_s_(static_cast<size_t>(choices), -1) {}

  void token(int choice) {
    const double now = now_s();
    double& last = last_s_[static_cast<size_t>(choice)];
    if (last >= 0) metrics_.token_after(now - last);
    last = now;
  }

 private:
  Metrics& metrics_;
  std::vector<double> last_s_;  // of each choice; -1: none yet
};

}  // namespace tessera
