#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/clock.h"
#include "base/file.h"
#include "cli/access_log_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/start_engine.h"
#include "cli/stop_signals.h"
#include "server/api.h"
#include "server/page.h"

namespace tessera {

int execute(const ServeCommand& command) {
  const double start_s = now_s();
  StopSignals signals;  // before any thread
  Console console(STDERR_FILENO, command.output.verbosity);
  AccessLogFile access_log(command.access_log_file, console);

  const auto engine = start_engine(command.engine, console, signals.flag());
  HttpServerOptions options = command.http;
  options.log = console.log_sink();
  options.access_log = access_log.writer();
  Api api(*engine, command.api);
  std::vector<Route> routes = api.routes();
  std::ranges::move(page_routes(), std::back_inserter(routes));
  HttpServer server(std::move(options), std::move(routes));
  if (!command.url_file.empty()) write_file_atomic(command.url_file, server.url() + "\n");
  console.say(fmt::format("{} is served at {} after {:.1f} s; open it in a browser. Ctrl-C stops.",
                          engine->model_name(), server.url(), now_s() - start_s));

  signals.wait();
  console.say("Answers under way are finished; Ctrl-C again stops at once.");
  api.stop_events();
  if (!server.drain(command.drain_s))
    console.say(fmt::format("Some were not finished after {:.0f} s.", command.drain_s));
  server.stop();
  return kDoneStatus;
}

}  // namespace tessera
