#include "server/answer_routes.h"

#include <chrono>
#include <utility>

#include "server/answer_collector.h"
#include "server/answer_stream.h"
#include "server/chat_request.h"
#include "server/completion_request.h"
#include "server/model_names.h"
#include "server/submit_request.h"

namespace tessera {
namespace {

int64_t unix_time_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Question {
  AnswerHead head;
  Request request;
  StreamFields answer;
  std::string echo = {};
};

void refuse_pictures(const Engine& engine, const std::vector<Message>& messages) {
  if (engine.takes_pictures()) return;
  for (const Message& message : messages)
    if (!message.pictures.empty())
      throw HttpError({.code = "unsupported_content", .param = message.pictures.front().name},
                      {.where = "request",
                       .what = message.pictures.front().name + ": the model takes no pictures"});
}

Question read_chat(const ApiContext& context, const Json& body) {
  ChatRequest chat = read_chat_request(body, context.options.limits, context.engine.context());
  refuse_pictures(context.engine, chat.request.messages);
  return {.head = {.kind = AnswerHead::Kind::kChat},
          .request = std::move(chat.request),
          .answer = chat.answer};
}

Question read_completion(const ApiContext& context, const Json& body) {
  CompletionRequest completion = read_completion_request(body, context.options.limits);
  Question question{.head = {.kind = AnswerHead::Kind::kCompletion},
                    .request = std::move(completion.request),
                    .answer = completion.answer};
  if (completion.echo)
    question.echo = question.request.prompt_text
                        ? *question.request.prompt_text
                        : context.engine.detokenize(question.request.prompt_ids);
  return question;
}

using Reader = Question (*)(const ApiContext&, const Json&);

void answer(const ApiContext& context, const std::shared_ptr<Exchange>& exchange,
            const Reader& read) {
  const HttpRequest& http = exchange->request();
  Question question;
  {
    const Json body = parse_body(http.body);
    std::string model = asked_model(context, BodyFields(body, ""));
    question = read(context, body);
    question.head.model = std::move(model);
  }
  question.head.id = http.id;
  question.head.created_s = unix_time_s();
  Request& request = question.request;
  request.timeout_s = context.options.timeout_s;
  // Users share the engine evenly: a key's owner cannot become many by naming users.
  if (!http.user.empty()) request.user = http.user;
  if (request.user.empty()) request.user = http.client;

  std::shared_ptr<AnswerListener> listener;
  if (question.answer.stream) {
    listener = std::make_shared<AnswerStream>(exchange, context.tools, question.head,
                                              StreamShape{.choices = request.choices,
                                                          .usage = question.answer.include_usage,
                                                          .echo = std::move(question.echo)});
  } else {
    listener = std::make_shared<AnswerCollector>(exchange, context.tools, std::move(question.head),
                                                 request.choices, question.echo);
  }
  submit_request(context, exchange, std::move(request), std::move(listener));
}

std::string_view outcome_of_status(int status) {
  if (status == 404) return "unknown_model";
  if (status == 503) return "unavailable";
  return status < 500 ? "invalid" : "failed";
}

HttpHandler handler(const ApiContextPtr& context, Reader read) {
  return [context, read](const std::shared_ptr<Exchange>& exchange) {
    Metrics& metrics = context->tools->metrics;
    try {
      answer(*context, exchange, read);
    } catch (const HttpError& error) {
      metrics.turned_away(outcome_of_status(error.kind().status));
      throw;
    } catch (const Busy&) {
      metrics.turned_away("refused");
      throw;
    } catch (...) {
      metrics.turned_away("failed");
      throw;
    }
  };
}

}  // namespace

std::vector<Route> answer_routes(const ApiContextPtr& context) {
  return {
      {.method = "POST", .path = "/v1/chat/completions", .handler = handler(context, read_chat)},
      {.method = "POST", .path = "/v1/completions", .handler = handler(context, read_completion)}};
}

}  // namespace tessera
