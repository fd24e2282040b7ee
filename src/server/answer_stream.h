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

/// What a streamed answer shows beside its text.
struct StreamShape {
  int64_t choices = 1;
  bool usage = false;     ///< a last piece with it
  std::string echo = {};  ///< stands before each choice; completions only
};

/// Sends an answer as server-sent events while it is made: for each choice of a chat first its
/// role, then what was added, then why it ended; then the usage where asked for, and [DONE].
///
/// The response begins with the first piece, so that an answer that fails before it still gets a
/// status of its own. One that fails later ends with an event {"error": ...} and without [DONE].
class AnswerStream : public AnswerListener {
 public:
  AnswerStream(std::shared_ptr<Exchange> exchange, std::shared_ptr<AnswerTools> tools,
               const AnswerHead& head, StreamShape shape);

  void on_piece(const AnswerPiece& piece) override;
  void on_end(const AnswerSummary& summary) override;

 private:
  struct Choice {
    bool begun = false;
    CompletionLogprobs logprobs = {};
  };

  void begin();
  void open(std::string& out, int choice) const;
  void close(std::string& out) const;
  void begin_choice(std::string& out, int choice);
  void append_delta(std::string& out, const AnswerPiece& piece);
  void append_ends(std::string& out, const AnswerSummary& summary);

  std::shared_ptr<Exchange> exchange_;  // null once the answer has ended
  std::shared_ptr<AnswerTools> tools_;
  const bool chat_;
  const std::string opening_;  // of each event
  const StreamShape shape_;
  TokenClock clock_;
  std::vector<Choice> choices_;
  bool begun_ = false;
};

}  // namespace tessera
