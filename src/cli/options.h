#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "http/http_server.h"
#include "server/api_options.h"
#include "tessera/bench.h"
#include "tessera/engine.h"
#include "tessera/pack.h"
#include "tessera/quality.h"

namespace tessera {

enum class Verbosity : uint8_t {
  kQuiet,    ///< errors
  kNormal,   ///< also the plan, progress, timings and warnings
  kVerbose,  ///< also what the library logs for those who look for a cause
};

struct OutputOptions {
  bool json = false;
  Verbosity verbosity = Verbosity::kNormal;
};

/// `tessera run`: the one message of `request` is the question with its pictures.
struct RunCommand {
  EngineOptions engine;
  Request request;
  OutputOptions output;
};

/// `tessera chat`: `request` has no messages yet; `pictures` belong to the first question.
struct ChatCommand {
  EngineOptions engine;
  Request request;
  std::vector<Picture> pictures;
  OutputOptions output;
};

/// `tessera plan`; `engine.plan_file` is the plan to check, empty: search for one.
struct PlanCommand {
  EngineOptions engine;
  std::string svg_file;
  OutputOptions output;
};

struct DevicesCommand {
  OutputOptions output;
  bool measure = false;  ///< GPUs, too
};

/// `tessera serve`.
struct ServeCommand {
  EngineOptions engine;
  HttpServerOptions http;
  ApiOptions api;
  std::string access_log_file;  ///< "-": stderr; empty: none
  std::string url_file;         ///< to be written once it serves; empty: none
  double drain_s = 60;
  OutputOptions output;
};

/// `tessera bench machine`.
struct BenchMachineCommand {
  OutputOptions output;
};

/// `tessera bench model`.
struct BenchModelCommand {
  ModelBenchOptions bench;
  OutputOptions output;
};

/// `tessera bench quality`.
struct BenchQualityCommand {
  QualityOptions quality;
  std::string sensitivities_to;  ///< the file to write them to; empty: they are not measured
  OutputOptions output;
};

/// `tessera tokenize`: `text` to ids or, when there is none, `ids` to text.
struct TokenizeCommand {
  std::string model_path;
  std::optional<std::string> text;
  std::vector<int32_t> ids;
  OutputOptions output;
};

/// `tessera pack`; with `check` only `pack.out` counts.
struct PackCommand {
  PackOptions pack;
  bool check = false;
  OutputOptions output;
};

/// --help and --version.
struct ShowText {
  std::string text;
};

using Command = std::variant<RunCommand, ChatCommand, PlanCommand, DevicesCommand, ServeCommand,
                             BenchMachineCommand, BenchModelCommand, BenchQualityCommand,
                             TokenizeCommand, PackCommand, ShowText>;

/// What the arguments (without the program's own name) ask for. Everything that can be judged
/// without opening a file has been: a command that comes back has sound numbers and names. Throws
/// UsageError.
Command parse_command_line(std::span<const std::string> args);

}  // namespace tessera
