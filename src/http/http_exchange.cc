#include "http/http_exchange.h"

#include <exception>

#include "http/http_errors.h"

namespace tessera {
namespace {

HttpResponse forgotten() {
  return error_response({.status = 500}, Error({.where = "the server",
                                                .what = "this request was dropped unanswered"}));
}

void log_failure(const LogSink& log, const HttpRequest& request, const char* what) {
  if (log)
    log(LogLevel::kWarning, "server: request " + request.id + ": " + request.method + " " +
                                request.path + " failed: " + what);
}

}  // namespace

HttpExchange::~HttpExchange() {
  try {
    if (!answer_->ended()) answer_->abandon(forgotten());
  } catch (const std::exception&) {
    // Out of memory: the client keeps waiting until it has enough.
  }
}

void run_handler(const HttpHandler& handler, const std::shared_ptr<HttpExchange>& exchange,
                 const LogSink& log) {
  try {
    handler(exchange);
  } catch (...) {
    const HttpResponse response = response_to(std::current_exception());
    if (response.status >= 500) {
      try {
        throw;
      } catch (const std::exception& error) {
        log_failure(log, exchange->request(), error.what());
      } catch (...) {
        log_failure(log, exchange->request(), "something that is no exception");
      }
    }
    exchange->answer().abandon(response);
  }
}

}  // namespace tessera
