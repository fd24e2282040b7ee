#include "server/answer_stream.h"

#include <fmt/format.h>

#include <iterator>

#include "base/clock.h"
#include "server/event_text.h"
#include "server/json_text.h"

namespace tessera {

AnswerStream::AnswerStream(std::shared_ptr<Exchange> exchange, std::shared_ptr<AnswerTools> tools,
                           const AnswerHead& head, StreamShape shape)
    : exchange_(std::move(exchange)),
      tools_(std::move(tools)),
      chat_(head.chat()),
      opening_("data: " + open_answer_json(head, true)),
      shape_(std::move(shape)),
      clock_(tools_->metrics, shape_.choices),
      choices_(static_cast<size_t>(shape_.choices)) {}

void AnswerStream::on_piece(const AnswerPiece& piece) {
  clock_.token(piece.choice);
  begin();
  std::string out;
  out.reserve(2 * opening_.size() + 256);
  begin_choice(out, piece.choice);
  append_delta(out, piece);
  if (piece.made_s <= 0) return exchange_->write(std::move(out));
  exchange_->write(std::move(out), [tools = tools_, made_s = piece.made_s] {
    tools->metrics.delivered_after(now_s() - made_s);
  });
}

void AnswerStream::on_end(const AnswerSummary& summary) {
  tools_->metrics.answered(summary);
  if (std::optional<HttpResponse> failure = failure_of(summary)) {
    if (begun_) {
      exchange_->end_stream("data: " + failure->body + "\n\n");
    } else {
      exchange_->respond(*std::move(failure));
    }
  } else {
    begin();
    std::string out;
    append_ends(out, summary);
    exchange_->end_stream(std::move(out));
  }
  exchange_.reset();
}

void AnswerStream::begin() {
  if (begun_) return;
  begun_ = true;
  exchange_->begin_stream(event_stream_head());
}

void AnswerStream::open(std::string& out, int choice) const {
  out += opening_;
  fmt::format_to(std::back_inserter(out), "{{\"index\":{},", choice);
}

void AnswerStream::close(std::string& out) const {
  out += shape_.usage ? "}],\"usage\":null}\n\n" : "}]}\n\n";
}

void AnswerStream::begin_choice(std::string& out, int choice) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  if (state.begun) return;
  state.begun = true;
  if (!chat_ && shape_.echo.empty()) return;
  open(out, choice);
  if (chat_) {
    out += R"("delta":{"role":"assistant","content":""})";
  } else {
    out += "\"text\":";
    append_json_string(out, shape_.echo);
  }
  out += ",\"logprobs\":null,\"finish_reason\":null";
  close(out);
}

void AnswerStream::append_delta(std::string& out, const AnswerPiece& piece) {
  open(out, piece.choice);
  out += chat_ ? "\"delta\":{\"content\":" : "\"text\":";
  append_json_string(out, piece.text);
  out += chat_ ? "},\"logprobs\":" : ",\"logprobs\":";
  if (piece.logprobs == nullptr) {
    out += "null";
  } else if (chat_) {
    out += "{\"content\":[";
    append_chat_logprob(out, tools_->engine, *piece.logprobs);
    out += "],\"refusal\":null}";
  } else {
    CompletionLogprobs& logprobs = choices_[static_cast<size_t>(piece.choice)].logprobs;
    logprobs.add(tools_->engine, *piece.logprobs, piece.text);
    logprobs.take(out);
  }
  out += ",\"finish_reason\":null";
  close(out);
}

void AnswerStream::append_ends(std::string& out, const AnswerSummary& summary) {
  for (size_t i = 0; i < summary.finish_reasons.size() && i < choices_.size(); ++i) {
    const auto choice = static_cast<int>(i);
    begin_choice(out, choice);
    open(out, choice);
    out += chat_ ? "\"delta\":{}" : "\"text\":\"\"";
    out += ",\"logprobs\":null,\"finish_reason\":\"";
    out += openai_finish_reason(summary.finish_reasons[i]);
    out += '"';
    close(out);
  }
  if (shape_.usage) {
    out += opening_;
    out += "],\"usage\":" + usage_json(summary) + "}\n\n";
  }
  out += "data: [DONE]\n\n";
}

}  // namespace tessera
