#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/cancel.h"
#include "tessera/error.h"
#include "tessera/log.h"
#include "tessera/plan.h"

namespace tessera {

/// What to run, on what, and for how much.
struct EngineOptions {
  std::string model_path;               ///< a checkpoint folder
  std::string devices = "auto";         ///< as --devices
  std::string precision = "auto";       ///< as --precision
  std::string kv = "auto";              ///< as --kv
  std::string plan_file = {};           ///< use this plan instead of searching
  std::string sensitivities_file = {};  ///< measured losses for the planner (tessera/quality.h)
  int64_t context = 0;                  ///< tokens a sequence may have; 0: the model's own maximum
  int64_t sequences = 1;                ///< held at once: the beams of a beam search
  Objective objective = Objective::kLatency;
  int64_t chunk_tokens = 256;  ///< of a prompt that walk the pipeline together
  int64_t scored_rows = 0;     ///< of a chunk whose logits are wanted; above 0 only to score texts
  uint64_t host_memory_bytes = 512ULL << 20;  ///< most that loading may hold beside the devices
  LogSink log = {};
  /// Called about ten times a second while weights load, from a thread of the loader.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes, double elapsed_s)> on_load = {};
  /// Called once the plan is made, before anything is loaded.
  std::function<void(const Plan&)> on_plan = {};
};

struct Message {
  enum class Role : uint8_t { kUser, kAssistant };
  Role role = Role::kUser;
  std::string text;
  std::vector<std::string> image_files = {};  ///< stand before the text; user messages only
};

struct Request {
  std::vector<Message> messages;
  std::string conversation_mode = {};  ///< prompt template; empty: the model's
  double temperature = 0.2;            ///< 0: greedy
  std::optional<double> top_p = {};    ///< in (0, 1]
  std::optional<int64_t> top_k = {};   ///< > 0
  int64_t beams = 1;                   ///< above 1: beam search, at temperature 0
  std::optional<uint64_t> seed = {};   ///< random when not given
  int64_t max_new_tokens = 1024;
  /// Texts that end the answer; when not given, the template's.
  std::optional<std::vector<std::string>> stop_strings = {};
};

enum class FinishReason : uint8_t { kStop, kLength, kCancelled };
std::string_view finish_reason_name(FinishReason reason);

struct AnswerTimings {
  double load_s = 0;     ///< of the model; the same for every answer
  double vision_s = 0;   ///< the pictures' time on the vision device
  double prefill_s = 0;  ///< prompt in, first token out; pictures included
  double decode_s = 0;   ///< all further tokens
  double prefill_tokens_per_s = 0, decode_tokens_per_s = 0;
};

struct Answer {
  std::string text;                 ///< without the stop string, stripped
  std::vector<int32_t> token_ids;   ///< as generated, the one that ended it included
  std::vector<int32_t> prompt_ids;  ///< with -200 where a picture stands
  int64_t prompt_tokens = 0;        ///< pictures' rows included
  FinishReason finish_reason = FinishReason::kStop;
  /// The 20 largest logits before the first new token, largest first.
  std::vector<std::pair<int32_t, float>> first_logits;
  double beam_score = 0;  ///< of a beam search: mean log probability of the answer's tokens
  AnswerTimings timings;
};

/// A device in use: what the plan said and what was measured.
struct DeviceReport {
  std::string name;
  int first_layer = 0, last_layer = -1;  ///< inclusive; last < first: no layers
  bool vision = false, embedding = false, head = false;
  uint64_t budget_bytes = 0, planned_bytes = 0, measured_peak_bytes = 0;
  double planned_decode_s = 0, measured_decode_s = 0;    ///< a step of one sequence
  double planned_prefill_s = 0, measured_prefill_s = 0;  ///< for 1000 tokens
};

/// A loaded model on its devices. Answers one request at a time; ask from one thread.
class Engine {
 public:
  /// Reads the configuration, opens the devices, plans, and loads. Throws Error when anything is
  /// wrong or does not fit, UsageError for malformed options, Cancelled.
  static std::unique_ptr<Engine> create(const EngineOptions& options,
                                        const CancelFlag* cancel = nullptr);
  virtual ~Engine() = default;

  /// Called with each piece of the answer: valid UTF-8, at least one character. False ends the
  /// answer there, as a cancellation does.
  using OnText = std::function<bool(std::string_view piece)>;

  /// Answers, and streams the text on the way. Cancelling is not an error here: what there is comes
  /// back with kCancelled. Throws Error (a picture, a prompt too long, a device that failed).
  virtual Answer generate(const Request& request, const OnText& on_text = {},
                          const CancelFlag* cancel = nullptr) = 0;

  virtual const Plan& plan() const = 0;
  virtual std::vector<DeviceReport> devices() const = 0;
  virtual double load_s() const = 0;
  virtual uint64_t loaded_bytes() const = 0;     ///< read from the checkpoint
  virtual uint64_t host_peak_bytes() const = 0;  ///< most host memory held beside the devices
  virtual int64_t context() const = 0;
  virtual bool takes_pictures() const = 0;
};

/// What `tessera plan` answers: the best split, before loading or buying. `options.devices` may
/// name hardware that is not there; `options.model_path` may be a config.json alone. With
/// `options.plan_file`, nothing is searched: that plan is held against the devices and its
/// certificate replayed by code that shares nothing with the search; Error says what does not hold.
Plan plan_model(const EngineOptions& options);

/// Token ids of a text, and back, by a checkpoint's tokenizer.
std::vector<int32_t> tokenize(const std::string& model_path, std::string_view text);
std::string detokenize(const std::string& model_path, const std::vector<int32_t>& ids);

}  // namespace tessera
