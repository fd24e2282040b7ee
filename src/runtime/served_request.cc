#include "runtime/served_request.h"

#include <algorithm>

#include "base/clock.h"

namespace tessera {

void Delivery::tell() const {
  if (end) {
    listener->on_end(*end);
  } else {
    listener->on_piece({.choice = choice,
                        .text = text,
                        .logprobs = logprobs ? &*logprobs : nullptr,
                        .made_s = made_s});
  }
}

ServedRequest::ServedRequest(RequestId id, Request request, PreparedRequest prepared,
                             std::vector<PictureUse> pictures,
                             std::shared_ptr<AnswerListener> listener, const Tokenizer& tokenizer)
    : id_(id),
      request_(std::move(request)),
      prepared_(std::move(prepared)),
      pictures_(std::move(pictures)),
      listener_(std::move(listener)),
      open_(static_cast<size_t>(request_.choices)),
      submitted_s_(now_s()) {
  // An expression says itself which blanks there are.
  const auto blanks = request_.form.kind == AnswerForm::Kind::kRegex
                          ? AnswerText::Blanks::kKept
                          : AnswerText::Blanks::kStripped;
  for (int64_t choice = 0; choice < request_.choices; ++choice)
    choices_.push_back(
        {.text = AnswerText(tokenizer, prepared_.stops, blanks),
         .sampler = TokenSampler(request_, prepared_.prompt.prompt_ids, static_cast<int>(choice))});
}

void ServedRequest::restrict_to(int choice, std::unique_ptr<TokenMask> mask, int64_t vocab) {
  choices_[static_cast<size_t>(choice)].sampler.restrict_to(std::move(mask), vocab);
}

ScheduledRequest ServedRequest::scheduled() const {
  ScheduledRequest out{.id = id_,
                       .user = request_.user,
                       .ids = prepared_.prompt.ids,
                       .max_new_tokens = prepared_.max_new_tokens,
                       .choices = static_cast<int>(request_.choices)};
  for (size_t i = 0; i < pictures_.size(); ++i) {
    const PromptTokens::Picture& place = prepared_.prompt.pictures[i];
    out.pictures.push_back(
        {.first_row = place.first_row, .rows = place.rows, .hash = pictures_[i].picture()->hash});
  }
  if (request_.timeout_s > 0) out.deadline_s = submitted_s_ + request_.timeout_s;
  return out;
}

WantedRow ServedRequest::next(int choice) {
  return choices_[static_cast<size_t>(choice)].sampler.next();
}

bool ServedRequest::take(int choice, int32_t token, std::optional<TokenLogprobs> logprobs,
                         std::vector<Delivery>& out) {
  Choice& of = choices_[static_cast<size_t>(choice)];
  const double now = now_s();
  if (first_token_s_ == 0) first_token_s_ = now - submitted_s_;
  ++new_tokens_;
  ++of.tokens;
  of.sampler.accept(token);
  Delivery piece{.request = id_,
                 .listener = listener_,
                 .choice = choice,
                 .logprobs = std::move(logprobs),
                 .made_s = now};
  if (std::ranges::count(prepared_.ends, token) > 0) {
    of.ended = FinishReason::kStop;
  } else {
    piece.text = of.text.push(token);
    const TokenMask* form = of.sampler.mask();
    if (of.text.stopped() || (form != nullptr && form->complete())) {
      of.ended = FinishReason::kStop;
    } else if (of.tokens == prepared_.max_new_tokens) {
      of.ended = FinishReason::kLength;
    }
  }
  if (of.ended) {
    piece.text += of.text.finish();
    --open_;
  }
  out.push_back(std::move(piece));
  return of.ended.has_value();
}

void ServedRequest::begin(int64_t cached_rows) {
  begun_s_ = now_s();
  cached_rows_ = cached_rows;
}

void ServedRequest::end(FinishReason reason, const std::optional<ErrorParts>& error,
                        std::vector<Delivery>& out) {
  const double now = now_s();
  AnswerSummary summary{.error = error,
                        .prompt_tokens = std::ssize(prepared_.prompt.ids),
                        .cached_tokens = cached_rows_,
                        .new_tokens = new_tokens_,
                        .queued_s = (begun() ? begun_s_ : now) - submitted_s_,
                        .first_token_s = first_token_s_,
                        .total_s = now - submitted_s_};
  for (Choice& choice : choices_) {
    if (!choice.ended) {
      choice.ended = reason;
      --open_;
    }
    summary.finish_reasons.push_back(*choice.ended);
  }
  out.push_back({.request = id_, .listener = listener_, .end = std::move(summary)});
}

}  // namespace tessera
