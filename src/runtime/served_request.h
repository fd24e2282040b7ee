#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/answer_text.h"
#include "runtime/picture_cache.h"
#include "runtime/prepared_request.h"
#include "runtime/scheduler.h"
#include "runtime/token_sampler.h"
#include "tessera/serving.h"

namespace tessera {

/// Something that a listener is to hear.
struct Delivery {
  RequestId request;
  std::shared_ptr<AnswerListener> listener;
  int choice = 0;
  std::string text = {};
  std::optional<TokenLogprobs> logprobs = {};
  double made_s = 0;                      ///< when the token came
  std::optional<AnswerSummary> end = {};  ///< the rest does not count then

  void tell() const;
};

/// A request on its way through the engine: what its choices have said so far. Of whoever holds the
/// engine's lock; the pipeline reads `stopped` and the pictures' rows.
class ServedRequest {
 public:
  ServedRequest(RequestId id, Request request, PreparedRequest prepared,
                std::vector<PictureUse> pictures, std::shared_ptr<AnswerListener> listener,
                const Tokenizer& tokenizer);

  /// Before it is submitted: what one choice may say, of a vocabulary of `vocab` tokens.
  void restrict_to(int choice, std::unique_ptr<TokenMask> mask, int64_t vocab);

  RequestId id() const { return id_; }
  const PreparedRequest& prepared() const { return prepared_; }
  std::span<const PictureUse> pictures() const { return pictures_; }
  ScheduledRequest scheduled() const;

  bool wants_logprobs() const { return request_.top_logprobs.has_value(); }

  /// What decides the next token of a choice.
  WantedRow next(int choice);

  /// The choice's next token, and how likely it was where that is asked for. True: the choice ends
  /// with it.
  bool take(int choice, int32_t token, std::optional<TokenLogprobs> logprobs,
            std::vector<Delivery>& out);
  bool done() const { return open_ == 0; }

  /// Its first rows are on their way.
  void begin(int64_t cached_rows);
  bool begun() const { return begun_s_ > 0; }

  /// Tells the listener that it is over; choices that go on end with `reason`.
  void end(FinishReason reason, const std::optional<ErrorParts>& error, std::vector<Delivery>& out);
  int64_t new_tokens() const { return new_tokens_; }

  CancelFlag stopped;  ///< its rows are wanted no more

 private:
  struct Choice {
    AnswerText text;
    TokenSampler sampler;
    int64_t tokens = 0;
    std::optional<FinishReason> ended = {};
  };

  const RequestId id_;
  const Request request_;
  const PreparedRequest prepared_;
  const std::vector<PictureUse> pictures_;
  const std::shared_ptr<AnswerListener> listener_;
  std::vector<Choice> choices_;
  size_t open_;  // choices that have not ended
  const double submitted_s_;
  double begun_s_ = 0, first_token_s_ = 0;
  int64_t cached_rows_ = 0, new_tokens_ = 0;
};

}  // namespace tessera
