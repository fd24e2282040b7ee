#include "cli/options.h"

#include <limits>

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/option_set.h"
#include "cli/option_values.h"
#include "cli/quality_options.h"
#include "cli/serve_options.h"
#include "tessera/error.h"

namespace tessera {
namespace {

using Arguments = std::span<const std::string>;

constexpr int64_t kMaxTokens = int64_t{1} << 30;
constexpr int64_t kMaxSequences = 4096;
constexpr int64_t kMaxBeams = 64;
constexpr double kMaxTemperature = 100;

void add_verbosity(OptionSet& options, OutputOptions& output) {
  const auto say = [&output](Verbosity verbosity) {
    return [&output, verbosity] {
      if (output.verbosity != Verbosity::kNormal && output.verbosity != verbosity)
        throw UsageError({.where = "--quiet", .what = "contradicts --verbose"});
      output.verbosity = verbosity;
    };
  };
  options.group("Output");
  options.flag("--quiet", say(Verbosity::kQuiet), "Errors only on stderr");
  options.flag("--verbose", say(Verbosity::kVerbose), "More on stderr");
}

void add_output(OptionSet& options, OutputOptions& output, const std::string& json) {
  options.group("Output");
  options.flag("--json", output.json, json);
  add_verbosity(options, output);
}

void add_model_path(OptionSet& options, std::string& path, const std::string& description,
                    bool required = true) {
  options.group("Model and devices");
  options
      .value(
          "--model-path", "DIR",
          [&path](const std::string& value) {
            if (value.empty())
              throw UsageError({.where = "--model-path", .expected = "a path", .found = "nothing"});
            path = value;
          },
          description)
      ->required(required);
}

auto take_text(EngineOptions& engine, std::string EngineOptions::*to) {
  return [&engine, to](const std::string& value) { engine.*to = value; };
}

void add_devices(OptionSet& options, EngineOptions& engine) {
  options.value("--devices", "SPEC", take_text(engine, &EngineOptions::devices),
                "Devices to use, with shares of their memory: auto, cuda:0@22GiB, 3xcpu@40MiB, ... "
                "(default: auto)");
  options.value(
      "--context", "N",
      [&engine](const std::string& value) {
        engine.context = parse_integer("--context", value, 1, kMaxTokens);
      },
      "Tokens a sequence may have (default: the model's own maximum)");
}

void add_sensitivities(OptionSet& options, EngineOptions& engine) {
  options.value("--sensitivities", "FILE", take_text(engine, &EngineOptions::sensitivities_file),
                "Losses that `tessera bench quality` measured for this model, in the place of "
                "general ones");
}

// Where the model runs and how large: what `run`, `chat` and `plan` share.
void add_engine(OptionSet& options, EngineOptions& engine) {
  add_devices(options, engine);
  options.value(
      "--precision", "P",
      [&engine](const std::string& value) {
        engine.precision = parse_precision_name("--precision", value);
      },
      "auto f32 bf16 int8 int6 int5 int4, and for plan alone fp8; auto: the model's own, lower "
      "only "
      "where memory demands it (default: auto)");
  options.value(
      "--kv", "P",
      [&engine](const std::string& value) { engine.kv = parse_kv_name("--kv", value); },
      "auto f32 bf16 int8: how keys and values are kept, int8 in half the memory of bf16 (default: "
      "auto, as wide as the widest weights)");
  add_sensitivities(options, engine);
}

void add_host_memory(OptionSet& options, EngineOptions& engine) {
  options.value(
      "--host-memory", "SIZE",
      [&engine](const std::string& value) {
        engine.host_memory_bytes = parse_size("--host-memory", value);
      },
      "Most that loading may hold in host memory beside the devices (default: 512MiB)");
}

void add_loading(OptionSet& options, EngineOptions& engine) {
  options.value(
      "--plan", "FILE", take_text(engine, &EngineOptions::plan_file),
      "Use this plan, as `tessera plan --json` prints it, after checking it against the devices");
  add_host_memory(options, engine);
}

// How the answer is chosen. The temperature stays apart: whether it was given matters.
void add_sampling(OptionSet& options, Request& request, std::optional<double>& temperature) {
  options.group("Answer");
  options.value(
      "--temperature", "T",
      [&temperature](const std::string& value) {
        temperature = parse_number("--temperature", value);
        if (!(*temperature >= 0 && *temperature <= kMaxTemperature))
          throw UsageError({.where = "--temperature", .expected = "0 to 100", .found = value});
      },
      "0: always the likeliest token; higher: more varied (default: 0.2)");
  options.value(
      "--top-p", "P",
      [&request](const std::string& value) {
        request.top_p = parse_number("--top-p", value);
        if (!(*request.top_p > 0 && *request.top_p <= 1))
          throw UsageError({.where = "--top-p", .expected = "above 0, at most 1", .found = value});
      },
      "Only the likeliest tokens that together reach this probability (default: off)");
  options.value(
      "--top-k", "K",
      [&request](const std::string& value) {
        request.top_k = parse_integer("--top-k", value, 1, kMaxTokens);
      },
      "Only the K likeliest tokens (default: off)");
  options.value(
      "--num-beams", "N",
      [&request](const std::string& value) {
        request.beams = parse_integer("--num-beams", value, 1, kMaxBeams);
      },
      "Beam search over N sequences, at temperature 0 (default: 1, none)");
  options.value(
      "--seed", "S",
      [&request](const std::string& value) { request.seed = parse_seed("--seed", value); },
      "The same seed gives the same answer (default: random)");
  options.value(
      "--max-new-tokens", "N",
      [&request](const std::string& value) {
        request.max_new_tokens = parse_integer("--max-new-tokens", value, 1, kMaxTokens);
      },
      "Longest answer (default: 1024)");
  options.value(
      "--conv-mode", "M",
      [&request](const std::string& value) { request.conversation_mode = value; },
      "Prompt template: mm_default (Yi-VL's), plain (no template), chatml, smollm2, qwen2, "
      "qwen2.5, llama3 (default: the model's own)");
}

void settle_sampling(EngineOptions& engine, Request& request,
                     const std::optional<double>& temperature) {
  if (request.beams > 1 && temperature.value_or(0) > 0)
    throw UsageError({.where = "--num-beams",
                      .what = "beams are searched at temperature 0",
                      .hint = "add --temperature 0"});
  engine.sequences = request.beams;
  if (temperature) request.temperature = *temperature;
  if (request.beams > 1) request.temperature = 0;
}

void add_pictures(OptionSet& options, std::vector<Picture>& pictures) {
  options.group("Question");
  options.values(
      "--image-file", "F",
      [&pictures](const std::string& value) { pictures.push_back({.name = value}); },
      "A picture: JPEG, PNG, WebP or GIF; several: one --image-file for each");
}

Command parse_run(Arguments args) {
  RunCommand command;
  OptionSet options("tessera run", kRunSummary, kRunExamples);
  std::optional<double> temperature;
  Message question;
  add_pictures(options, question.pictures);
  options
      .value(
          "--question", "Q",
          [&question](const std::string& value) {
            if (value.find_first_not_of(" \t\r\n") == value.npos)
              throw UsageError({.where = "--question", .what = "empty question"});
            question.text = value;
          },
          "What to ask")
      ->required();
  add_model_path(options, command.engine.model_path, "Folder of the checkpoint");
  add_engine(options, command.engine);
  add_loading(options, command.engine);
  add_sampling(options, command.request, temperature);
  add_output(options, command.output, "One JSON object instead of the text");
  if (!options.parse(args)) return ShowText{options.help()};

  settle_sampling(command.engine, command.request, temperature);
  command.request.messages = {std::move(question)};
  return command;
}

Command parse_chat(Arguments args) {
  ChatCommand command;
  OptionSet options("tessera chat", kChatSummary, kChatExamples);
  std::optional<double> temperature;
  add_pictures(options, command.pictures);
  add_model_path(options, command.engine.model_path, "Folder of the checkpoint");
  add_engine(options, command.engine);
  add_loading(options, command.engine);
  add_sampling(options, command.request, temperature);
  add_output(options, command.output, "One JSON object a turn instead of the text");
  if (!options.parse(args)) return ShowText{options.help()};

  settle_sampling(command.engine, command.request, temperature);
  return command;
}

Command parse_plan(Arguments args) {
  PlanCommand command;
  OptionSet options("tessera plan", kPlanSummary, kPlanExamples);
  add_model_path(options, command.engine.model_path,
                 "Folder of the checkpoint, or its config.json alone");
  add_engine(options, command.engine);
  options.value(
      "--sequences", "N",
      [&command](const std::string& value) {
        command.engine.sequences = parse_integer("--sequences", value, 1, kMaxSequences);
      },
      "Sequences held at once (default: 1)");
  options.value(
      "--objective", "O",
      [&command](const std::string& value) {
        command.engine.objective = parse_objective_name("--objective", value);
      },
      "Best at: latency throughput context (default: latency)");
  options.value(
      "--check", "PLAN", [&command](const std::string& value) { command.engine.plan_file = value; },
      "Do not search: check this plan, as --json printed it, with code that shares nothing with "
      "the search");
  add_output(options, command.output, "One JSON object instead of the table");
  options.value(
      "--svg", "FILE", [&command](const std::string& value) { command.svg_file = value; },
      "Also draw the plan into FILE");
  if (!options.parse(args)) return ShowText{options.help()};
  return command;
}

Command parse_devices(Arguments args) {
  DevicesCommand command;
  OptionSet options("tessera devices", kDevicesSummary, kDevicesExamples);
  options.group("What to measure");
  options.flag("--measure", command.measure,
               "Measure GPUs and their links, too, where no earlier run has");
  add_output(options, command.output, "One JSON object instead of the table");
  if (!options.parse(args)) return ShowText{options.help()};
  return command;
}

Command parse_serve(Arguments args) {
  ServeCommand command;
  command.api.version = TESSERA_VERSION;
  OptionSet options("tessera serve", kServeSummary, kServeExamples);
  add_model_path(options, command.engine.model_path, "Folder of the checkpoint");
  add_engine(options, command.engine);
  add_loading(options, command.engine);
  add_serving(options, command);
  add_verbosity(options, command.output);
  if (!options.parse(args)) return ShowText{options.help()};

  settle_serving(command);
  return command;
}

Command parse_bench_machine(Arguments args) {
  BenchMachineCommand command;
  OptionSet options("tessera bench machine", kBenchMachineSummary, kBenchMachineExamples);
  add_output(options, command.output, "One JSON object instead of the table");
  if (!options.parse(args)) return ShowText{options.help()};
  return command;
}

Command parse_bench_model(Arguments args) {
  BenchModelCommand command;
  OptionSet options("tessera bench model", kBenchModelSummary, kBenchModelExamples);
  add_model_path(options, command.bench.engine.model_path, "Folder of the checkpoint");
  add_engine(options, command.bench.engine);
  add_loading(options, command.bench.engine);
  options.group("What to time");
  const auto count = [&](const std::string& name, auto& to, int64_t most,
                         const std::string& description) {
    options.value(
        name, "N",
        [&to, name, most](const std::string& value) {
          to = static_cast<std::decay_t<decltype(to)>>(parse_integer(name, value, 1, most));
        },
        description);
  };
  count("--prompt-tokens", command.bench.prompt_tokens, kMaxTokens,
        "Tokens of the prompt, drawn at random (default: 256)");
  count("--new-tokens", command.bench.new_tokens, kMaxTokens, "Tokens to decode (default: 32)");
  count("--sequences", command.bench.sequences, kMaxSequences,
        "Sequences decoded together (default: 1)");
  count("--repeats", command.bench.repeats, 1000, "The best of so many runs counts (default: 3)");
  options.flag("--reads", command.bench.reads,
               "Read memory beside each token, and say what share of it the model reached");
  add_output(options, command.output, "One JSON object instead of the table");
  if (!options.parse(args)) return ShowText{options.help()};
  return command;
}

Command parse_bench_quality(Arguments args) {
  BenchQualityCommand command;
  OptionSet options("tessera bench quality", kBenchQualitySummary, kBenchQualityExamples);
  add_model_path(options, command.quality.engine.model_path, "Folder of the checkpoint");
  add_devices(options, command.quality.engine);
  add_host_memory(options, command.quality.engine);
  add_quality(options, command);
  add_sensitivities(options, command.quality.engine);
  add_output(options, command.output, "One JSON object instead of the table");
  if (!options.parse(args)) return ShowText{options.help()};

  check_quality(command);
  return command;
}

Command parse_bench(Arguments args) {
  if (!args.empty() && args.front() == "machine") return parse_bench_machine(args.subspan(1));
  if (!args.empty() && args.front() == "model") return parse_bench_model(args.subspan(1));
  if (!args.empty() && args.front() == "quality") return parse_bench_quality(args.subspan(1));
  if (!args.empty() && (args.front() == "--help" || args.front() == "-h"))
    return ShowText{kBenchHelp};
  throw UsageError({.where = "tessera bench",
                    .what = "what to measure",
                    .expected = "machine, model or quality",
                    .found = args.empty() ? "nothing" : '"' + args.front() + '"',
                    .hint = "tessera bench --help explains"});
}

Command parse_tokenize(Arguments args) {
  TokenizeCommand command;
  OptionSet options("tessera tokenize", kTokenizeSummary, kTokenizeExamples);
  options.positional(
      "TEXT", [&command](const std::string& value) { command.text = value; },
      "Text to turn into token ids");
  add_model_path(options, command.model_path, "Folder of the checkpoint");
  options.group("Tokens");
  options.value(
      "--ids", "1,2,3",
      [&command](const std::string& value) { command.ids = parse_ids("--ids", value); },
      "Token ids to turn back into text");
  add_output(options, command.output, "A JSON list of ids, or a JSON string");
  if (!options.parse(args)) return ShowText{options.help()};

  if (command.text.has_value() == !command.ids.empty())
    throw UsageError({.where = "tessera tokenize",
                      .expected = "either TEXT or --ids",
                      .found = command.text ? "both" : "neither"});
  return command;
}

Command parse_pack(Arguments args) {
  PackCommand command;
  PackOptions& pack = command.pack;
  OptionSet options("tessera pack", kPackSummary, kPackExamples);
  bool with_precision = false;
  options.positional(
      "OUT", [&pack](const std::string& value) { pack.out = value; },
      "Folder to make; one that an interrupted pack began is gone on with");
  add_model_path(options, pack.model_path, "Folder of the checkpoint", false);
  options.value(
      "--precision", "P",
      [&](const std::string& value) {
        pack.precision = parse_precision_name("--precision", value);
        with_precision = true;
      },
      "auto f32 bf16 int8 int6 int5 int4; auto: the model's own (default: auto)");
  options.flag("--check", command.check,
               "Write nothing: read the copy in OUT and compare every checksum");
  add_output(options, command.output, "One JSON object instead of the line");
  if (!options.parse(args)) return ShowText{options.help()};

  if (pack.out.empty())
    throw UsageError({.where = "tessera pack", .expected = "the folder OUT", .found = "none"});
  if (command.check && (!pack.model_path.empty() || with_precision))
    throw UsageError({.where = "--check",
                      .expected = "OUT alone",
                      .found = with_precision ? "--precision" : "--model-path"});
  if (!command.check && pack.model_path.empty())
    throw UsageError({.where = "tessera pack", .expected = "--model-path DIR", .found = "none"});
  return command;
}

struct CommandName {
  const char* name;
  Command (*parse)(Arguments args);
};

constexpr CommandName kCommands[] = {{"run", parse_run},           {"chat", parse_chat},
                                     {"plan", parse_plan},         {"devices", parse_devices},
                                     {"serve", parse_serve},       {"bench", parse_bench},
                                     {"tokenize", parse_tokenize}, {"pack", parse_pack}};

[[noreturn]] void throw_no_command(Arguments args) {
  std::vector<std::string> names;
  std::string list;
  for (const CommandName& command : kCommands) {
    names.emplace_back(command.name);
    list += (list.empty() ? "" : ", ") + names.back();
  }
  const bool any = !args.empty();
  const auto nearest = any ? nearest_name(args.front(), names) : std::nullopt;
  throw UsageError(
      {.where = "tessera",
       .expected = "a command (" + list + ")",
       .found = any ? '"' + args.front() + '"' : "none",
       .hint = nearest ? "did you mean " + *nearest + "?" : "tessera --help explains"});
}

}  // namespace

Command parse_command_line(std::span<const std::string> args) {
  if (args.empty()) throw_no_command(args);
  const std::string& first = args.front();
  if (first == "--help" || first == "-h" || first == "help") return ShowText{kHelp};
  if (first == "--version") return ShowText{std::string("tessera ") + TESSERA_VERSION + "\n"};
  for (const CommandName& command : kCommands)
    if (first == command.name) return command.parse(args.subspan(1));
  throw_no_command(args);
}

}  // namespace tessera
