#include "cli/serve_options.h"

#include <cstdlib>

#include "cli/option_values.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int64_t kMostRunning = 1024;
constexpr int64_t kMostWaiting = 1 << 20;
constexpr double kMostSeconds = 1e6;

double parse_seconds(const std::string& option, const std::string& text) {
  const double seconds = parse_number(option, text);
  if (!(seconds >= 0 && seconds <= kMostSeconds))
    throw UsageError({.where = option, .expected = "seconds, 0 to 1000000", .found = text});
  return seconds;
}

void add_address(OptionSet& options, ServeCommand& command) {
  options.group("Server");
  options.value(
      "--host", "ADDRESS", [&command](const std::string& value) { command.http.host = value; },
      "Address to listen on; others than this machine's own need keys, or --insecure (default: "
      "127.0.0.1)");
  options.value(
      "--port", "N",
      [&command](const std::string& value) {
        command.http.port = static_cast<int>(parse_integer("--port", value, 0, 65535));
      },
      "Port; 0: any that is free, which is told (default: 8080)");
  options.value(
      "--api-keys", "FILE", [&command](const std::string& value) { command.http.key_file = value; },
      "Who may use the server: a line for each key, `name:key` or the key alone (or in the "
      "environment, as TESSERA_API_KEYS; never on the command line)");
  options.flag("--insecure", command.http.insecure,
               "Serve without keys whoever reaches the address");
  options.value(
      "--tls-cert", "FILE",
      [&command](const std::string& value) { command.http.tls_certificate_file = value; },
      "Serve HTTPS with this certificate (PEM, with its chain)");
  options.value(
      "--tls-key", "FILE",
      [&command](const std::string& value) { command.http.tls_key_file = value; },
      "The certificate's private key");
  options.values(
      "--cors-origin", "URL",
      [&command](const std::string& value) { command.http.origins.push_back(value); },
      "Pages from this origin may call the server; several: one option for each (default: none)");
  options.values(
      "--allow-host", "NAME",
      [&command](const std::string& value) { command.http.hosts.push_back(value); },
      "Another name of this server, where it has no keys (default: localhost and its addresses)");
  options.value(
      "--max-body", "SIZE",
      [&command](const std::string& value) {
        command.http.limits.body_bytes = parse_size("--max-body", value);
      },
      "Largest request (default: 64MiB)");
}

void add_load(OptionSet& options, ServeCommand& command) {
  options.group("Load");
  options.value(
      "--sequences", "N",
      [&command](const std::string& value) {
        command.engine.sequences = parse_integer("--sequences", value, 1, kMostRunning);
      },
      "Whole contexts that the KV cache has room for (default: as many as fit)");
  options.value(
      "--running", "N",
      [&command](const std::string& value) {
        command.engine.running = parse_integer("--running", value, 1, kMostRunning);
      },
      "Sequences that may run at once, sharing that room (default: 64)");
  options.value(
      "--queue", "N",
      [&command](const std::string& value) {
        command.engine.waiting = parse_integer("--queue", value, 1, kMostWaiting);
      },
      "Requests that may wait; beyond that clients are told when to come again (default: 256)");
  options.value(
      "--timeout", "S",
      [&command](const std::string& value) {
        command.api.timeout_s = parse_seconds("--timeout", value);
      },
      "Longest that one answer may take, in seconds; 0: no limit (default: 0)");
  options.value(
      "--picture-cache", "SIZE",
      [&command](const std::string& value) {
        command.engine.picture_cache_bytes = parse_size("--picture-cache", value);
      },
      "Rows of pictures that are kept for further questions (default: 256MiB)");
  options.flag(
      "--no-prefix-cache", [&command] { command.engine.prefix_cache = false; },
      "Compute each prompt anew, even where another began alike");
  options.value(
      "--objective", "O",
      [&command](const std::string& value) {
        command.engine.objective = parse_objective_name("--objective", value);
      },
      "Best at: latency throughput context (default: throughput)");
}

}  // namespace

void add_serving(OptionSet& options, ServeCommand& command) {
  command.engine.sequences = 0;
  command.engine.running = 64;
  command.engine.objective = Objective::kThroughput;
  add_address(options, command);
  add_load(options, command);
  options.group("Service");
  options.values(
      "--model-name", "NAME",
      [&command](const std::string& value) { command.api.model_aliases.push_back(value); },
      "Another name that requests may call the model by (default: its folder's)");
  options.value(
      "--access-log", "FILE",
      [&command](const std::string& value) { command.access_log_file = value; },
      "A line for each request, without what was asked; - for stderr (default: none)");
  options.flag("--log-json", command.http.access_log_as_json, "That line as a JSON object");
  options.value(
      "--url-file", "FILE", [&command](const std::string& value) { command.url_file = value; },
      "Write the address into FILE once the server answers: for scripts, with --port 0");
  options.value(
      "--drain", "S",
      [&command](const std::string& value) { command.drain_s = parse_seconds("--drain", value); },
      "After SIGTERM or Ctrl-C, seconds for the answers under way (default: 60)");
}

void settle_serving(ServeCommand& command) {
  if (const char* keys = std::getenv("TESSERA_API_KEYS")) command.http.keys = keys;
  if (command.http.tls_certificate_file.empty() != command.http.tls_key_file.empty())
    throw UsageError({.where = command.http.tls_key_file.empty() ? "--tls-cert" : "--tls-key",
                      .expected = "--tls-cert and --tls-key together",
                      .found = "one alone"});
}

}  // namespace tessera
