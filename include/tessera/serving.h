#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/error.h"

namespace tessera {

using RequestId = uint64_t;

enum class FinishReason : uint8_t { kStop, kLength, kCancelled };
std::string_view finish_reason_name(FinishReason reason);

/// Too many requests wait already.
class Busy : public Error {
 public:
  Busy(ErrorParts parts, double retry_after_s)
      : Error(std::move(parts)), retry_after_s_(retry_after_s) {}
  double retry_after_s() const { return retry_after_s_; }  ///< when a place is expected

 private:
  double retry_after_s_;
};

/// A token of an answer, and how likely the model held it to be before any penalty, bias or form.
struct TokenLogprobs {
  int32_t token = 0;
  float logprob = 0;
  std::vector<std::pair<int32_t, float>> top = {};  ///< the likeliest, likeliest first
};

/// What has been added to one choice of an answer.
struct AnswerPiece {
  int choice = 0;
  std::string_view text;                    ///< whole characters; may be empty
  const TokenLogprobs* logprobs = nullptr;  ///< of the token behind this piece, when asked for
  double made_s = 0;  ///< when that token came, in seconds of std::chrono::steady_clock; 0: unsaid
};

/// How a request went.
struct AnswerSummary {
  std::optional<ErrorParts> error = {};           ///< why it failed; the choices end where they are
  std::vector<FinishReason> finish_reasons = {};  ///< one a choice
  int64_t prompt_tokens = 0;                      ///< pictures' rows included
  int64_t cached_tokens = 0;                      ///< of these, found in the prefix cache
  int64_t new_tokens = 0;                         ///< of all choices
  double queued_s = 0;                            ///< before its first rows ran
  double first_token_s = 0;                       ///< from submit() on
  double total_s = 0;                             ///< from submit() on
};

/// Hears of one request. Called by the engine's own thread, one call at a time, and must return at
/// once: whatever takes long is another thread's. Must not throw.
class AnswerListener {
 public:
  virtual ~AnswerListener() = default;
  /// One call a token and choice, in order.
  virtual void on_piece(const AnswerPiece& piece) = 0;
  /// Once, last.
  virtual void on_end(const AnswerSummary& summary) = 0;
};

/// A micro-batch on its way.
struct MicroBatchStatus {
  uint64_t id = 0;
  int stage = 0;  ///< where it is
  int64_t decode_rows = 0, prefill_rows = 0;
};

/// A device over the time since the engine began to serve; differences of two give rates.
struct DeviceStatus {
  std::string name;
  int stage = -1;  ///< in the pipeline; -1: no layers
  double busy_s = 0;
  int64_t steps = 0, rows = 0;           ///< that passed it
  uint64_t link_bytes = 0;               ///< sent to the next stage
  double planned_s = 0, measured_s = 0;  ///< of the same decode steps
};

/// What the engine is doing. Counters count since it began to serve.
struct EngineStatus {
  bool ready = false;
  std::string why_not = {};  ///< in one line, when not ready
  double uptime_s = 0;
  int64_t running = 0, waiting = 0;  ///< sequences; requests in the queue
  int64_t kv_blocks = 0;             ///< in all
  int64_t kv_blocks_used = 0;        ///< by running sequences
  int64_t kv_blocks_cached = 0;      ///< kept for prompts to come
  uint64_t image_cache_bytes = 0;
  uint64_t requests = 0, failed = 0, cancelled = 0, refused = 0;
  uint64_t prompt_tokens = 0, cached_prompt_tokens = 0, new_tokens = 0;
  uint64_t pictures = 0, cached_pictures = 0;  ///< of requests; of these, seen before
  uint64_t preemptions = 0;                    ///< sequences put back for want of blocks
  uint64_t steps = 0;                          ///< micro-batches
  int64_t plan_epoch = 0;                      ///< how often what lies on the stages was changed
  double schedule_s = 0;                       ///< spent on making and committing them
  std::vector<MicroBatchStatus> micro_batches = {};
  std::vector<DeviceStatus> devices = {};
};

}  // namespace tessera
