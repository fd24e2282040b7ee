#pragma once

#include <memory>
#include <string>
#include <vector>

#include "http/http.h"
#include "server/answer_head.h"
#include "server/answer_tools.h"
#include "server/logprob_text.h"
#include "tessera/serving.h"

namespace tessera {

/// Collects an answer and sends it when it is whole.
class AnswerCollector : public AnswerListener {
 public:
  /// `echo` stands before each choice's text.
  AnswerCollector(std::shared_ptr<Exchange> exchange, std::shared_ptr<AnswerTools> tools,
                  AnswerHead head, int64_t choices, const std::string& echo);

  void on_piece(const AnswerPiece& piece) override;
  void on_end(const AnswerSummary& summary) override;

 private:
  struct Choice {
    std::string text = {};
    std::string chat_logprobs = {};  // elements of the list
    CompletionLogprobs logprobs = {};
    bool has_logprobs = false;
  };

  void append_choice(std::string& out, size_t index, FinishReason reason);

  std::shared_ptr<Exchange> exchange_;  // null once the answer has ended
  std::shared_ptr<AnswerTools> tools_;
  const AnswerHead head_;
  TokenClock clock_;
  std::vector<Choice> choices_;
};

}  // namespace tessera
