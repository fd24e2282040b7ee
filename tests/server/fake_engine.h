#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tessera/engine.h"

namespace tessera {

/// An engine without a model. A token is a byte. It answers "You said: " and the last message, or a
/// JSON object where JSON is asked for; stop strings, max_new_tokens, n and log probabilities do
/// what they should, one token a choice in each step(). Steps are made by hand, or by a thread.
class FakeEngine : public Engine {
 public:
  FakeEngine();
  ~FakeEngine() override;

  // What a test sets before it asks.
  std::function<void(const Request&)> on_submit = {};     ///< may throw
  std::function<std::string(const Request&)> reply = {};  ///< in place of the usual answer
  std::optional<ErrorParts> fails_with = {};              ///< at token `fails_at`
  size_t fails_at = 0;
  std::string why_not_ready = {};  ///< empty: it is ready
  int64_t context_tokens = 4096;
  bool pictures = true;
  Plan the_plan = {};

  /// A token for every choice that runs. Whether any is left.
  bool step();
  void finish();  ///< steps until nothing is left
  /// From now on steps are made every `period_s` by a thread of its own.
  void run_by_itself(double period_s);

  const Request& last_request() const { return last_request_; }
  size_t running() const;
  size_t cancelled() const { return cancelled_; }
  size_t status_calls() const { return status_calls_; }

  Answer generate(const Request& request, const OnText& on_text, const CancelFlag* cancel) override;
  RequestId submit(Request request, std::shared_ptr<AnswerListener> listener) override;
  void cancel(RequestId id) override;
  EngineStatus status() const override;
  std::string model_name() const override { return "fake-model"; }
  std::vector<int32_t> tokenize(std::string_view text) const override;
  std::string detokenize(std::span<const int32_t> ids) const override;
  std::string token_bytes(int32_t id) const override;
  const Plan& plan() const override { return the_plan; }
  std::vector<DeviceReport> devices() const override;
  double load_s() const override { return 1.5; }
  uint64_t loaded_bytes() const override { return 1000; }
  uint64_t host_peak_bytes() const override { return 100; }
  int64_t context() const override { return context_tokens; }
  bool takes_pictures() const override { return pictures; }

 private:
  struct Job;
  bool step_job(Job& job);  ///< whether it goes on

  mutable std::mutex mutex_;
  std::map<RequestId, std::unique_ptr<Job>> jobs_;
  Request last_request_;
  RequestId next_id_ = 1;
  uint64_t requests_ = 0, new_tokens_ = 0, prompt_tokens_ = 0, steps_ = 0;
  std::atomic<size_t> cancelled_{0};
  mutable std::atomic<size_t> status_calls_{0};
  std::jthread thread_;
};

}  // namespace tessera
