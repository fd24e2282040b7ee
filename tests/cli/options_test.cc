#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Strings = std::vector<std::string>;

Command parse(const Strings& args) {
  return parse_command_line(args);
}

template <typename T>
T parse_as(const Strings& args) {
  return std::get<T>(parse(args));
}

Strings names(const std::vector<Picture>& pictures) {
  Strings out;
  for (const Picture& picture : pictures) out.push_back(picture.name);
  return out;
}

// The arguments of a `run` that is complete, and then these.
Strings run_line(Strings more) {
  more.insert(more.begin(), {"run", "--model-path", "M", "--question", "Q"});
  return more;
}

std::string error_with(const Strings& more) {
  return error_of([&] { parse(run_line(more)); });
}

TEST(Options, YisOwnCommandLineRuns) {
  const auto run = parse_as<RunCommand>(
      {"run", "--model-path", "path/to/yi-vl", "--image-file", "a.jpg", "--question", "What?",
       "--temperature", "0.7", "--top_p", "0.9", "--num_beams", "1", "--conv-mode", "mm_default"});
  EXPECT_EQ(run.engine.model_path, "path/to/yi-vl");
  EXPECT_EQ(run.request.temperature, 0.7);
  EXPECT_EQ(run.request.top_p, 0.9);
  EXPECT_EQ(run.request.beams, 1);
  EXPECT_EQ(run.request.conversation_mode, "mm_default");
  ASSERT_EQ(run.request.messages.size(), 1U);
  EXPECT_EQ(run.request.messages[0].role, Message::Role::kUser);
  EXPECT_EQ(run.request.messages[0].text, "What?");
  EXPECT_THAT(names(run.request.messages[0].pictures), ElementsAre("a.jpg"));
}

TEST(Options, DefaultsAreYis) {
  const auto run = parse_as<RunCommand>(run_line({}));
  EXPECT_EQ(run.request.temperature, 0.2);
  EXPECT_EQ(run.request.top_p, std::nullopt);
  EXPECT_EQ(run.request.top_k, std::nullopt);
  EXPECT_EQ(run.request.seed, std::nullopt);
  EXPECT_EQ(run.request.beams, 1);
  EXPECT_EQ(run.request.max_new_tokens, 1024);
  EXPECT_EQ(run.request.conversation_mode, "");
  EXPECT_EQ(run.engine.devices, "auto");
  EXPECT_EQ(run.engine.precision, "auto");
  EXPECT_EQ(run.engine.kv, "auto");
  EXPECT_EQ(run.engine.context, 0);
  EXPECT_EQ(run.engine.sequences, 1);
  EXPECT_EQ(run.engine.host_memory_bytes, 512U << 20);
  EXPECT_FALSE(run.output.json);
  EXPECT_EQ(run.output.verbosity, Verbosity::kNormal);
}

TEST(Options, EveryOptionOfRunArrives) {
  const auto run = parse_as<RunCommand>(run_line(
      {"--devices", "2xcpu@1GiB{threads=1;speed=0.5;link=12GB/s}", "--context=2048",
       "--precision=f32", "--kv=int8", "--plan=p.json", "--host-memory=64MiB", "--temperature=0",
       "--top_k=7", "--seed=18446744073709551615", "--max_new_tokens=9", "--json", "--quiet",
       "--image-file=one.png", "--image_file", "[a,b].png", "--image-file", "{}"}));
  EXPECT_EQ(run.engine.devices, "2xcpu@1GiB{threads=1;speed=0.5;link=12GB/s}");
  EXPECT_EQ(run.engine.context, 2048);
  EXPECT_EQ(run.engine.precision, "f32");
  EXPECT_EQ(run.engine.kv, "int8");
  EXPECT_EQ(run.engine.plan_file, "p.json");
  EXPECT_EQ(run.engine.host_memory_bytes, 64U << 20);
  EXPECT_EQ(run.request.temperature, 0);
  EXPECT_EQ(run.request.top_k, 7);
  EXPECT_EQ(run.request.seed, UINT64_MAX);
  EXPECT_EQ(run.request.max_new_tokens, 9);
  EXPECT_TRUE(run.output.json);
  EXPECT_EQ(run.output.verbosity, Verbosity::kQuiet);
  EXPECT_THAT(names(run.request.messages[0].pictures), ElementsAre("one.png", "[a,b].png", "{}"));
}

TEST(Options, QuestionsAreTakenLiterally) {
  for (const char* question : {"-5 + 3?", "--what?", "{}", "[1,2]", "run", "%%", "  spaces ",
                               "a\nb", "\"", "多少？", "/etc", "@x"}) {
    const auto run = parse_as<RunCommand>({"run", "--model-path", "M", "--question", question});
    EXPECT_EQ(run.request.messages[0].text, question);
  }
}

TEST(Options, TheLastOfTwoCounts) {
  const auto run =
      parse_as<RunCommand>(run_line({"--seed", "1", "--seed", "2", "--json", "--json"}));
  EXPECT_EQ(run.request.seed, 2U);
  EXPECT_TRUE(run.output.json);
}

TEST(Options, BeamsImplyTemperatureZero) {
  const auto run = parse_as<RunCommand>(run_line({"--num_beams", "3"}));
  EXPECT_EQ(run.request.beams, 3);
  EXPECT_EQ(run.engine.sequences, 3);
  EXPECT_EQ(run.request.temperature, 0);
  EXPECT_EQ(parse_as<RunCommand>(run_line({"--num_beams=2", "--temperature=0"})).request.beams, 2);
  EXPECT_EQ(error_with({"--num_beams", "3", "--temperature", "0.2"}),
            "--num-beams: beams are searched at temperature 0 (add --temperature 0)");
}

TEST(Options, WrongValuesAreNamed) {
  EXPECT_EQ(error_with({"--temperature", "warm"}),
            "--temperature: expected a number, found \"warm\"");
  EXPECT_EQ(error_with({"--temperature", "-1"}), "--temperature: expected 0 to 100, found -1");
  EXPECT_EQ(error_with({"--temperature", "nan"}), "--temperature: expected 0 to 100, found nan");
  EXPECT_EQ(error_with({"--top-p", "0"}), "--top-p: expected above 0, at most 1, found 0");
  EXPECT_EQ(error_with({"--top-p", "nan"}), "--top-p: expected above 0, at most 1, found nan");
  EXPECT_THAT(error_with({"--top-k", "0"}), StartsWith("--top-k: expected a whole number from 1"));
  EXPECT_THAT(error_with({"--max-new-tokens", "0"}), HasSubstr("a whole number from 1"));
  EXPECT_THAT(error_with({"--max-new-tokens", "99999999999999999999"}),
              HasSubstr("a whole number from 1"));
  EXPECT_THAT(error_with({"--context", "1e3"}), HasSubstr("a whole number from 1"));
  EXPECT_THAT(error_with({"--seed", "-1"}), HasSubstr("a whole number from 0"));
  EXPECT_THAT(error_with({"--host-memory", "lots"}), HasSubstr("a size such as 512MiB"));
  EXPECT_EQ(error_with({"--precision", "bf17"}),
            "--precision: expected one of auto f32 bf16 int8 fp8 int6 int5 int4, found \"bf17\"");
  EXPECT_EQ(error_with({"--kv", "int4"}),
            "--kv: expected one of auto f32 bf16 int8, found \"int4\"");
  EXPECT_EQ(error_with({"--num_beams", "1000"}),
            "--num-beams: expected a whole number from 1 to 64, found \"1000\"");
  EXPECT_EQ(error_with({"--quiet", "--verbose"}), "--quiet: contradicts --verbose");
  for (const Strings& more : {Strings{"--temperature", "warm"}, Strings{"--top-k", "0"},
                              Strings{"--nonsense"}, Strings{"stray"}, Strings{"-x"}})
    EXPECT_THROW(parse(run_line(more)), UsageError);
}

TEST(Options, WhatIsMissingOrTooMuchIsNamed) {
  EXPECT_THAT(error_of([] {
                parse({"run", "--model-path", "M"});
              }),
              AllOf(StartsWith("tessera run: --question"), HasSubstr("--help explains")));
  EXPECT_THAT(error_of([] { parse({"run", "--question", "Q"}); }), HasSubstr("--model-path"));
  EXPECT_EQ(error_with({"stray"}),
            "tessera run: unexpected argument \"stray\" (tessera run --help explains)");
  EXPECT_EQ(error_with({"--modl-path", "M"}),
            "--modl-path: no such option (did you mean --model-path?)");
  for (const char* question : {"", " ", "\n\t"})
    EXPECT_EQ(error_of([&] {
                parse({"run", "--model-path", "M", "--question", question});
              }),
              "--question: empty question");
  EXPECT_EQ(error_of([&] {
              parse({"run", "--model-path=", "--question", "Q"});
            }),
            "--model-path: expected a path, found nothing");
}

TEST(Options, CommandsAreNamed) {
  EXPECT_EQ(
      error_of([] { parse({}); }),
      "tessera: expected a command (run, chat, plan, devices, serve, bench, tokenize, pack), found "
      "none (tessera --help explains)");
  EXPECT_THAT(error_of([] { parse({"rn"}); }), HasSubstr("did you mean run?"));
  EXPECT_THROW(parse({"--model-path", "M"}), UsageError);
}

TEST(Options, Plan) {
  const auto plan = parse_as<PlanCommand>({"plan", "--model_path", "M/config.json", "--devices",
                                           "3x24GiB", "--context", "4096", "--sequences", "8",
                                           "--precision", "int8", "--objective", "throughput",
                                           "--json", "--svg", "p.svg", "--kv", "bf16"});
  EXPECT_EQ(plan.engine.model_path, "M/config.json");
  EXPECT_EQ(plan.engine.devices, "3x24GiB");
  EXPECT_EQ(plan.engine.sequences, 8);
  EXPECT_EQ(plan.engine.objective, Objective::kThroughput);
  EXPECT_EQ(plan.engine.precision, "int8");
  EXPECT_EQ(plan.engine.kv, "bf16");
  EXPECT_EQ(plan.svg_file, "p.svg");
  EXPECT_TRUE(plan.output.json);
  EXPECT_EQ(error_of([] {
              parse({"plan", "--model-path", "M", "--objective", "speed"});
            }),
            "--objective: expected latency, throughput or context, found \"speed\"");
}

TEST(Options, Chat) {
  const auto chat = parse_as<ChatCommand>({"chat", "--model-path", "M", "--image-file", "a.png",
                                           "--verbose", "--num_beams", "2", "--kv", "f32"});
  EXPECT_THAT(names(chat.pictures), ElementsAre("a.png"));
  EXPECT_TRUE(chat.request.messages.empty());
  EXPECT_EQ(chat.engine.sequences, 2);
  EXPECT_EQ(chat.engine.kv, "f32");
  EXPECT_EQ(chat.output.verbosity, Verbosity::kVerbose);
}

TEST(Options, Serve) {
  const auto plain = parse_as<ServeCommand>({"serve", "--model-path", "M"});
  EXPECT_EQ(plain.http.host, "127.0.0.1");
  EXPECT_EQ(plain.http.port, 8080);
  EXPECT_EQ(plain.engine.sequences, 0);  // as many as fit
  EXPECT_EQ(plain.engine.running, 64);
  EXPECT_EQ(plain.engine.objective, Objective::kThroughput);
  EXPECT_TRUE(plain.engine.prefix_cache);

  const auto serve = parse_as<ServeCommand>({"serve",
                                             "--model-path",
                                             "M",
                                             "--host",
                                             "0.0.0.0",
                                             "--port",
                                             "0",
                                             "--api-keys",
                                             "K",
                                             "--tls-cert",
                                             "C",
                                             "--tls-key",
                                             "P",
                                             "--sequences",
                                             "3",
                                             "--running",
                                             "9",
                                             "--queue",
                                             "7",
                                             "--timeout",
                                             "2.5",
                                             "--model-name",
                                             "other",
                                             "--cors-origin",
                                             "https://a",
                                             "--max-body",
                                             "1MiB",
                                             "--drain",
                                             "4",
                                             "--no-prefix-cache",
                                             "--access-log",
                                             "-",
                                             "--log-json",
                                             "--url-file",
                                             "U",
                                             "--objective",
                                             "latency",
                                             "--quiet"});
  EXPECT_EQ(serve.http.host, "0.0.0.0");
  EXPECT_EQ(serve.http.port, 0);
  EXPECT_EQ(serve.http.key_file, "K");
  EXPECT_EQ(serve.http.tls_certificate_file, "C");
  EXPECT_EQ(serve.http.tls_key_file, "P");
  EXPECT_EQ(serve.http.limits.body_bytes, 1U << 20);
  EXPECT_THAT(serve.http.origins, ElementsAre("https://a"));
  EXPECT_TRUE(serve.http.access_log_as_json);
  EXPECT_EQ(serve.engine.sequences, 3);
  EXPECT_EQ(serve.engine.running, 9);
  EXPECT_EQ(serve.engine.waiting, 7);
  EXPECT_FALSE(serve.engine.prefix_cache);
  EXPECT_EQ(serve.engine.objective, Objective::kLatency);
  EXPECT_EQ(serve.api.timeout_s, 2.5);
  EXPECT_THAT(serve.api.model_aliases, ElementsAre("other"));
  EXPECT_EQ(serve.access_log_file, "-");
  EXPECT_EQ(serve.url_file, "U");
  EXPECT_EQ(serve.drain_s, 4);
  EXPECT_EQ(serve.output.verbosity, Verbosity::kQuiet);

  EXPECT_EQ(error_of([] {
              parse({"serve", "--model-path", "M", "--tls-cert", "C"});
            }),
            "--tls-cert: expected --tls-cert and --tls-key together, found one alone");
  EXPECT_EQ(error_of([] {
              parse({"serve", "--model-path", "M", "--port", "65536"});
            }),
            "--port: expected a whole number from 0 to 65535, found \"65536\"");
}

TEST(Options, Tokenize) {
  EXPECT_EQ(parse_as<TokenizeCommand>({"tokenize", "--model-path", "M", "run"}).text, "run");
  EXPECT_EQ(parse_as<TokenizeCommand>({"tokenize", "--model-path", "M", ""}).text, "");
  EXPECT_EQ(parse_as<TokenizeCommand>({"tokenize", "--model-path", "M", "--", "--ids"}).text,
            "--ids");
  EXPECT_THAT(parse_as<TokenizeCommand>({"tokenize", "--model-path", "M", "--ids", "1, 2,3"}).ids,
              ElementsAre(1, 2, 3));
  for (const char* ids : {"", "1,,2", "1,", "a", "-1", "1 2", "99999999999"})
    EXPECT_THROW(parse({"tokenize", "--model-path", "M", "--ids", ids}), UsageError) << ids;
  EXPECT_THAT(error_of([] { parse({"tokenize", "--model-path", "M"}); }), HasSubstr("neither"));
  EXPECT_THAT(error_of([] {
                parse({"tokenize", "--model-path", "M", "a", "--ids", "1"});
              }),
              HasSubstr("both"));
}

TEST(Options, Bench) {
  EXPECT_TRUE(parse_as<BenchMachineCommand>({"bench", "machine", "--json"}).output.json);
  const auto defaults = parse_as<BenchModelCommand>({"bench", "model", "--model-path", "M"});
  EXPECT_EQ(defaults.bench.prompt_tokens, 256);
  EXPECT_EQ(defaults.bench.new_tokens, 32);
  EXPECT_EQ(defaults.bench.sequences, 1);
  EXPECT_FALSE(defaults.bench.reads);
  const auto bench = parse_as<BenchModelCommand>(
      {"bench", "model", "--model-path", "M", "--precision", "int4", "--prompt-tokens", "1100",
       "--new_tokens", "7", "--sequences", "8", "--repeats", "2", "--devices", "2xcpu@1GiB", "--kv",
       "int8", "--reads"});
  EXPECT_EQ(bench.bench.engine.precision, "int4");
  EXPECT_EQ(bench.bench.engine.kv, "int8");
  EXPECT_EQ(bench.bench.engine.devices, "2xcpu@1GiB");
  EXPECT_EQ(bench.bench.prompt_tokens, 1100);
  EXPECT_EQ(bench.bench.new_tokens, 7);
  EXPECT_EQ(bench.bench.sequences, 8);
  EXPECT_EQ(bench.bench.repeats, 2);
  EXPECT_TRUE(bench.bench.reads);
  EXPECT_EQ(error_of([] {
              parse({"bench", "speed"});
            }),
            "tessera bench: what to measure: expected machine, model or quality, found \"speed\" "
            "(tessera bench "
            "--help explains)");
  EXPECT_THROW(parse({"bench"}), UsageError);
  EXPECT_THROW(parse({"bench", "model", "--model-path", "M", "--repeats", "0"}), UsageError);
  EXPECT_THAT(parse_as<ShowText>({"bench", "--help"}).text, HasSubstr("bench model"));
  for (const char* what : {"machine", "model"})
    EXPECT_THAT(parse_as<ShowText>({"bench", what, "--help"}).text,
                AllOf(HasSubstr("--json"), HasSubstr("Example")));
}

TEST(Options, HelpOfEveryCommandNamesItsOptions) {
  EXPECT_THAT(parse_as<ShowText>({"--help"}).text,
              AllOf(HasSubstr("tokenize"), HasSubstr("Examples:")));
  EXPECT_THAT(parse_as<ShowText>({"--version"}).text, StartsWith("tessera "));
  for (const char* command : {"run", "chat", "plan", "devices", "tokenize"}) {
    const std::string help = parse_as<ShowText>({command, "--help"}).text;
    EXPECT_THAT(help, AllOf(HasSubstr("--json"), HasSubstr("--quiet"), HasSubstr("Example")))
        << command;
  }
  // Also behind options that are incomplete or wrong in what they ask.
  EXPECT_NO_THROW(parse_as<ShowText>({"run", "--devices", "auto", "--help"}));
  EXPECT_THAT(
      parse_as<ShowText>({"run", "--help"}).text,
      AllOf(HasSubstr("--max-new-tokens"), HasSubstr("--image-file"), HasSubstr("--question")));
}

TEST(Options, OfBenchQuality) {
  const Strings args = {"bench", "quality", "--model-path", "M"};
  const auto with_more = [&](Strings more) {
    more.insert(more.begin(), args.begin(), args.end());
    return more;
  };
  const auto plain = parse_as<BenchQualityCommand>(args);
  EXPECT_TRUE(plain.quality.precisions.empty());
  EXPECT_EQ(plain.quality.reference, std::nullopt);
  EXPECT_EQ(plain.quality.max_tokens, 2048);
  EXPECT_EQ(plain.sensitivities_to, "");

  const auto full = parse_as<BenchQualityCommand>(with_more({"--precision",
                                                             "int8,int4",
                                                             "--reference",
                                                             "f32",
                                                             "--kv",
                                                             "int8",
                                                             "--plan",
                                                             "a",
                                                             "--plan",
                                                             "b",
                                                             "--text",
                                                             "T",
                                                             "--images",
                                                             "D",
                                                             "--question",
                                                             "Q?",
                                                             "--tokens",
                                                             "7",
                                                             "--pictures",
                                                             "3",
                                                             "--measure-sensitivities",
                                                             "S",
                                                             "--sample-tokens",
                                                             "9",
                                                             "--mixed_plans",
                                                             "20",
                                                             "--json"}));
  EXPECT_THAT(full.quality.precisions, ElementsAre(Precision::kInt8, Precision::kInt4));
  EXPECT_EQ(full.quality.reference, Precision::kF32);
  EXPECT_EQ(full.quality.kv, KvFormat::kInt8);
  EXPECT_EQ(plain.quality.kv, std::nullopt);
  EXPECT_THAT(full.quality.plan_files, ElementsAre("a", "b"));
  EXPECT_EQ(full.quality.text_file, "T");
  EXPECT_EQ(full.quality.image_folder, "D");
  EXPECT_EQ(full.quality.question, "Q?");
  EXPECT_EQ(full.quality.max_tokens, 7);
  EXPECT_EQ(full.quality.max_pictures, 3);
  EXPECT_EQ(full.quality.sample_tokens, 9);
  EXPECT_EQ(full.quality.mixed_plans, 20);
  EXPECT_EQ(full.sensitivities_to, "S");
  EXPECT_TRUE(full.output.json);

  const auto error = [&](const Strings& more) { return error_of([&] { parse(with_more(more)); }); };
  EXPECT_THAT(error({"--precision", "int8,int3"}), HasSubstr("int3"));
  EXPECT_THAT(error({"--precision", "int8,"}), HasSubstr("--precision"));
  EXPECT_THAT(error({"--precision", "int8,int8"}), HasSubstr("twice"));
  EXPECT_THAT(error({"--tokens", "0"}), HasSubstr("--tokens"));
  EXPECT_EQ(error({"--kv", "auto"}), "--kv: expected f32, bf16 or int8, found \"auto\"");
  EXPECT_THAT(error({"--mixed-plans", "20"}), HasSubstr("--sensitivities"));
  EXPECT_THAT(error({"--sensitivities", "a", "--measure-sensitivities", "b"}),
              HasSubstr("contradicts"));
  EXPECT_EQ(parse_as<RunCommand>(run_line({"--sensitivities", "S"})).engine.sensitivities_file,
            "S");
}

}  // namespace
}  // namespace tessera
