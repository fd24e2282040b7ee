#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/cancel.h"
#include "tessera/error.h"
#include "tessera/log.h"
#include "tessera/plan.h"
#include "tessera/serving.h"

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
  /// Contexts that the KV cache has room for: the beams of a beam search. 0: as many as fit.
  int64_t sequences = 1;
  int64_t running = 0;    ///< sequences that may run at once; 0: as many as `sequences`
  int64_t waiting = 256;  ///< most requests that wait for their turn
  uint64_t picture_cache_bytes = 256ULL << 20;  ///< of pictures' rows that are kept for others
  bool prefix_cache = true;                     ///< beginnings of prompts are kept for others
  Objective objective = Objective::kLatency;
  int64_t question_tokens = 0;  ///< of a prompt's text, for which times are planned; 0: 128
  int64_t chunk_tokens = 256;   ///< of a prompt that walk the pipeline together
  int64_t scored_rows = 0;      ///< of a chunk whose logits are wanted; above 0 only to score texts
  uint64_t host_memory_bytes = 512ULL << 20;  ///< most that loading may hold beside the devices
  LogSink log = {};
  /// Called about ten times a second while weights load, from a thread of the loader.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes, double elapsed_s)> on_load = {};
  /// Called once the plan is made, before anything is loaded.
  std::function<void(const Plan&)> on_plan = {};
};

/// A JPEG, PNG, WebP or GIF: a file, or its bytes.
struct Picture {
  std::string name;                               ///< the file; of bytes, what errors call them
  std::shared_ptr<const std::string> bytes = {};  ///< null: in the file
};

struct Message {
  enum class Role : uint8_t { kSystem, kUser, kAssistant };
  Role role = Role::kUser;
  std::string text;
  std::vector<Picture> pictures = {};  ///< stand before the text; user messages only
};

/// What the text of an answer must be, whatever the model would rather say.
struct AnswerForm {
  enum class Kind : uint8_t { kAny, kJson, kJsonSchema, kRegex };
  Kind kind = Kind::kAny;
  std::string definition = {};  ///< the schema or the expression
};

struct Request {
  std::vector<Message> messages = {};
  /// Instead of messages: a text that the model goes on with, or its ids. No template.
  std::optional<std::string> prompt_text = {};
  std::vector<int32_t> prompt_ids = {};
  std::string conversation_mode = {};  ///< prompt template; empty: the model's

  double temperature = 0.2;           ///< 0: greedy
  std::optional<double> top_p = {};   ///< in (0, 1]
  std::optional<int64_t> top_k = {};  ///< > 0
  double min_p = 0;               ///< in [0, 1]: least share of the likeliest token's probability
  double repetition_penalty = 1;  ///< in [0.01, 100]; of tokens in prompt and answer (CTRL, 2019)
  double frequency_penalty = 0;   ///< in [-2, 2], each time that a token stands in the answer
  double presence_penalty = 0;    ///< in [-2, 2], once it does
  std::vector<std::pair<int32_t, float>> logit_bias = {};  ///< token, what is added to its logit
  int64_t beams = 1;                  ///< above 1: beam search, at temperature 0
  std::optional<uint64_t> seed = {};  ///< random when not given
  AnswerForm form = {};

  int64_t max_new_tokens = 1024;
  /// Texts that end the answer, beside the template's own; an empty list: not even those.
  std::optional<std::vector<std::string>> stop_strings = {};
  std::vector<int32_t> stop_ids = {};  ///< tokens that end it, beside the model's own
  bool ignore_end = false;             ///< the model's own end does not; for load tests

  int64_t choices = 1;  ///< answers to the same prompt
  std::optional<int64_t> top_logprobs =
      {};                 ///< with each token its log probability, and so many more
  std::string user = {};  ///< whom it counts for; users share the engine evenly
  double timeout_s = 0;   ///< until the whole answer is there; 0: no limit
};

struct AnswerTimings {
  double load_s = 0;     ///< of the model; the same for every answer
  double vision_s = 0;   ///< the pictures' time on the vision device
  double prefill_s = 0;  ///< prompt in, first token out; pictures included
  double decode_s = 0;   ///< all further tokens
  double prefill_tokens_per_s = 0, decode_tokens_per_s = 0;
};

struct Answer {
  std::string text;                 ///< without the stop string, stripped but for kRegex
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

/// A loaded model on its devices.
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

  /// Answers one request while no other is answered, and streams the text on the way. Cancelling is
  /// not an error here: what there is comes back with kCancelled. Throws Error (a picture, a prompt
  /// too long, a device that failed), UsageError for what only submit() can do.
  virtual Answer generate(const Request& request, const OnText& on_text = {},
                          const CancelFlag* cancel = nullptr) = 0;

  /// Queues a request beside others and returns; `listener` hears of it from then on. Decodes its
  /// pictures and finds its tokens on the calling thread. From any thread. Throws Error when it can
  /// never be answered, Busy when the queue is full; then the listener hears nothing.
  virtual RequestId submit(Request request, std::shared_ptr<AnswerListener> listener) = 0;
  /// Ends it within a step with kCancelled; what it held is free then. Ids that have ended are
  /// ignored. From any thread.
  virtual void cancel(RequestId id) = 0;
  /// What goes on, at this moment. From any thread.
  virtual EngineStatus status() const = 0;

  virtual std::string model_name() const = 0;  ///< the last part of its folder's path
  virtual std::vector<int32_t> tokenize(std::string_view text) const = 0;
  virtual std::string detokenize(std::span<const int32_t> ids) const = 0;
  /// What one token adds to a text, a part of a character maybe; empty: special, or unknown.
  virtual std::string token_bytes(int32_t id) const = 0;

  virtual const Plan& plan() const = 0;
  virtual std::vector<DeviceReport> devices() const = 0;
  virtual double load_s() const = 0;
  virtual uint64_t loaded_bytes() const = 0;     ///< read from the checkpoint
  virtual uint64_t host_peak_bytes() const = 0;  ///< most that loading held beside the devices
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
