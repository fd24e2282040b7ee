#include "server/answer_collector.h"

#include <fmt/format.h>

#include <iterator>

#include "server/json_text.h"

namespace tessera {

AnswerCollector::AnswerCollector(std::shared_ptr<Exchange> exchange,
                                 std::shared_ptr<AnswerTools> tools, AnswerHead head,
                                 int64_t choices, const std::string& echo)
    : exchange_(std::move(exchange)),
      tools_(std::move(tools)),
      head_(std::move(head)),
      clock_(tools_->metrics, choices),
      choices_(static_cast<size_t>(choices), Choice{.text = echo}) {}

void AnswerCollector::on_piece(const AnswerPiece& piece) {
  clock_.token(piece.choice);
  Choice& choice = choices_[static_cast<size_t>(piece.choice)];
  if (piece.logprobs != nullptr) {
    choice.has_logprobs = true;
    if (head_.chat()) {
      if (!choice.chat_logprobs.empty()) choice.chat_logprobs += ',';
      append_chat_logprob(choice.chat_logprobs, tools_->engine, *piece.logprobs);
    } else {
      choice.logprobs.add(tools_->engine, *piece.logprobs, piece.text);
    }
  }
  choice.text += piece.text;
}

void AnswerCollector::on_end(const AnswerSummary& summary) {
  tools_->metrics.answered(summary);
  if (std::optional<HttpResponse> failure = failure_of(summary)) {
    exchange_->respond(*std::move(failure));
  } else {
    std::string out = open_answer_json(head_, false);
    for (size_t i = 0; i < choices_.size() && i < summary.finish_reasons.size(); ++i)
      append_choice(out, i, summary.finish_reasons[i]);
    out += "],\"usage\":" + usage_json(summary) + "}";
    exchange_->respond({.body = std::move(out)});
  }
  exchange_.reset();
}

void AnswerCollector::append_choice(std::string& out, size_t index, FinishReason reason) {
  Choice& choice = choices_[index];
  fmt::format_to(std::back_inserter(out), "{}{{\"index\":{},", index == 0 ? "" : ",", index);
  out += head_.chat() ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"text\":";
  append_json_string(out, choice.text);
  if (head_.chat()) out += ",\"refusal\":null}";
  out += ",\"logprobs\":";
  if (!choice.has_logprobs) {
    out += "null";
  } else if (head_.chat()) {
    out += "{\"content\":[" + choice.chat_logprobs + "],\"refusal\":null}";
  } else {
    choice.logprobs.take(out);
  }
  fmt::format_to(std::back_inserter(out), ",\"finish_reason\":\"{}\"}}",
                 openai_finish_reason(reason));
}

}  // namespace tessera
