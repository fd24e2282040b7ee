#include "server/submit_request.h"

#include <utility>

namespace tessera {

void check_ready(const Engine& engine) {
  const EngineStatus now = engine.status();
  if (now.ready) return;
  throw HttpError({.status = 503, .code = "not_ready", .headers = {{"Retry-After", "1"}}},
                  {.where = "engine", .what = "not ready", .found = now.why_not});
}

HttpError refusal_of(const Error& error) {
  const ErrorParts& parts = error.parts();
  HttpErrorKind kind;
  if (parts.where == "prompt" && parts.expected.find("tokens") != std::string::npos) {
    kind.code = "context_length_exceeded";
    kind.param = "messages";
  } else if (parts.where.starts_with("messages[")) {  // a picture's name
    kind.code = "invalid_image";
    kind.param = parts.where;
  } else {
    kind.param = parts.where == "request" ? parts.what : parts.where;
  }
  return {std::move(kind), parts};
}

void submit_request(const ApiContext& context, const std::shared_ptr<Exchange>& exchange,
                    Request request, std::shared_ptr<AnswerListener> listener) {
  Engine& engine = context.engine;
  check_ready(engine);
  const bool chat = !request.messages.empty();
  RequestId id = 0;
  try {
    id = engine.submit(std::move(request), std::move(listener));
  } catch (const Busy&) {
    throw;
  } catch (const HttpError&) {
    throw;
  } catch (const Error& error) {
    check_ready(engine);  // it may have failed meanwhile, and then the request is not to blame
    HttpError refusal = refusal_of(error);
    if (chat || refusal.kind().param != "messages") throw refusal;
    HttpErrorKind kind = refusal.kind();
    kind.param = "prompt";
    throw HttpError(std::move(kind), refusal.parts());
  }
  // The callback holds no more than it needs: the exchange holds it.
  exchange->on_gone([&engine, id] { engine.cancel(id); });
}

}  // namespace tessera
