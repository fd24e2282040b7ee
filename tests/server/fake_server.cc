// Serves the API in front of an engine without a model, on a free port of 127.0.0.1, which it
// prints as a URL; ends on SIGTERM or SIGINT. `fake_server --busy` has a queue that is always full
// at first.
#include <csignal>
#include <cstdio>
#include <string_view>

#include "http/http_server.h"
#include "server/api.h"
#include "tests/server/fake_engine.h"

int main(int argc, char** argv) {
  using namespace tessera;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread begins
  try {
    FakeEngine engine;
    std::atomic<int> refusals{argc > 1 && std::string_view(argv[1]) == "--busy" ? 1 : 0};
    engine.on_submit = [&](const Request&) {
      if (refusals-- > 0)
        throw Busy({.where = "queue", .expected = "at most 0", .found = "1"}, 0.5);
    };
    Api api(engine, {.version = "fake", .model_aliases = {"alias"}});
    HttpServer server({.port = 0}, api.routes());
    engine.run_by_itself(0.0005);
    std::printf("%s\n", server.url().c_str());
    std::fflush(stdout);
    int signal = 0;
    sigwait(&signals, &signal);
    api.stop_events();
    const bool clean = server.drain(5);
    server.stop();
    return clean ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fake_server: %s\n", error.what());
    return 1;
  }
}
