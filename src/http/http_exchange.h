#pragma once

#include <memory>
#include <utility>

#include "http/answer_queue.h"
#include "http/byte_budget.h"
#include "http/http.h"
#include "tessera/log.h"

namespace tessera {

/// The Exchange that handlers get. It outlives the connection where a handler holds it longer.
class HttpExchange : public Exchange {
 public:
  HttpExchange(HttpRequest request, std::shared_ptr<AnswerQueue> answer, BudgetShare body)
      : request_(std::move(request)), answer_(std::move(answer)), body_(std::move(body)) {}
  ~HttpExchange() override;

  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override { answer_->respond(response); }
  void begin_stream(HttpResponse head) override { answer_->begin_stream(head); }
  using Exchange::write;
  void write(std::string piece, std::function<void()> sent) override {
    answer_->write(piece, std::move(sent));
  }
  using Exchange::end_stream;
  void end_stream(std::string last) override { answer_->end_stream(last); }
  void on_gone(std::function<void()> callback) override { answer_->on_gone(std::move(callback)); }

  AnswerQueue& answer() { return *answer_; }

 private:
  const HttpRequest request_;
  const std::shared_ptr<AnswerQueue> answer_;
  const BudgetShare body_;
};

/// Calls the handler; what it throws becomes the answer, or cuts off the one that has begun. An
/// error that is nobody's request's fault is a line of the log.
void run_handler(const HttpHandler& handler, const std::shared_ptr<HttpExchange>& exchange,
                 const LogSink& log);

}  // namespace tessera
