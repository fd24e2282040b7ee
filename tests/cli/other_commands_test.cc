// `plan`, `devices`, `tokenize`, --help and --version.

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/cli/programs.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kYi34 = kGolden + "/configs/yi-vl-34b";

TEST(Plan, AnswersBeforeAnythingIsThere) {
  const Args args = {"plan", "--model-path", kYi34 + "/config.json", "--devices", "3x24GiB"};
  const ProgramResult table = run_tessera(args);
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_EQ(table.err, "");
  EXPECT_THAT(table.out, AllOf(HasSubstr("24"), HasSubstr("bf16")));

  const ProgramResult json = run_tessera(with(args, {"--json"}));
  EXPECT_EQ(json.status, 0) << json.err;
  const Json plan = parse_json(json.out, "stdout");
  EXPECT_TRUE(plan["fits"].get<bool>());
  EXPECT_EQ(plan["stages"].size(), 3U);
  for (const char* key : {"stages", "predicted", "bound", "certificate", "why_not"})
    EXPECT_TRUE(plan.contains(key)) << key;
}

TEST(Plan, WhatDoesNotFitSaysWhy) {
  const Args args = {"plan", "--model-path", kYi34, "--devices", "2x24GiB", "--precision", "bf16"};
  EXPECT_THAT(failure_of(args, 1), AllOf(HasSubstr("does not fit"), HasSubstr("GiB")));

  const ProgramResult json = run_tessera(with(args, {"--json"}));
  EXPECT_EQ(json.status, 1);
  EXPECT_THAT(json.err, StartsWith("tessera: error: "));
  const Json plan = parse_json(json.out, "stdout");
  EXPECT_FALSE(plan["fits"].get<bool>());
  EXPECT_GT(plan["why_not"]["missing_gib"].get<double>(), 0);
}

TEST(Plan, DrawsAPicture) {
  TempFolder folder;
  const std::string file = folder.path("plan.svg");
  const Args args = {"plan", "--model-path", kYi34, "--devices", "3x24GiB", "--svg", file};
  EXPECT_EQ(run_tessera(args).status, 0);
  EXPECT_THAT(read_file(file, 1 << 20), AllOf(HasSubstr("<svg"), HasSubstr("yi-vl-34b")));
  EXPECT_THAT(failure_of(with(args, {"--svg", folder.path("none/plan.svg")}), 1),
              HasSubstr("none/plan.svg"));
}

TEST(Plan, DrawsWhatDoesNotFit) {
  TempFolder folder;
  const std::string file = folder.path("plan.svg");
  const Args args = {"plan",        "--model-path", kYi34,   "--devices", "2x24GiB",
                     "--precision", "bf16",         "--svg", file};
  EXPECT_THAT(failure_of(args, 1), HasSubstr("does not fit"));
  EXPECT_THAT(read_file(file, 1 << 20), AllOf(HasSubstr("<svg"), HasSubstr("does not fit")));
}

// The table and the picture that the README shows are what the program gives today.
TEST(Plan, IsTheReadmes) {
  TempFolder folder;
  const std::string source = kGolden + "/../..", drawn = folder.path("plan.svg");
  std::filesystem::create_directory_symlink(std::filesystem::absolute(kYi34),
                                            folder.path("Yi-VL-34B"));
  const ProgramResult plan =
      run_tessera({"plan", "--model-path", folder.path("Yi-VL-34B") + "/config.json", "--devices",
                   "3x24GiB", "--svg", drawn});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_THAT(read_file(source + "/README.md", 1 << 20), HasSubstr("3x24GiB\n" + plan.out));
  EXPECT_EQ(read_file(drawn, 1 << 20),
            read_file(source + "/docs/images/yi-vl-34b-3x24gib.svg", 1 << 20))
      << "draw it anew, by that command and --svg";
}

TEST(Plan, IsCheckedByCodeOfItsOwn) {
  TempFolder folder;
  const Args args = {"plan", "--model-path", kYi34, "--devices", "3x24GiB"};
  const std::string text = run_tessera(with(args, {"--json"})).out;
  const std::string file = folder.write("plan.json", text);
  const ProgramResult checked = run_tessera(with(args, {"--check", file, "--json"}));
  EXPECT_EQ(checked.status, 0) << checked.err;
  EXPECT_EQ(checked.out, text);
  EXPECT_THAT(checked.err, HasSubstr("all that it says holds"));

  Json tampered = parse_json(text, "plan");
  tampered["certificate"]["optimum_ns"] = tampered["certificate"]["optimum_ns"].get<int64_t>() + 1;
  const std::string other = folder.write("tampered.json", tampered.dump());
  EXPECT_THAT(failure_of(with(args, {"--check", other}), 1), HasSubstr("tampered.json"));
}

TEST(Plan, KeepsTheFormatOfKeysAndValues) {
  TempFolder folder;
  const Args args = {"plan", "--model-path", kYi34, "--devices", "3x24GiB"};
  EXPECT_THAT(run_tessera(with(args, {"--kv", "int8"})).out, HasSubstr("KV int8"));
  const std::string text = run_tessera(with(args, {"--kv", "int8", "--json"})).out;
  EXPECT_EQ(parse_json(text, "plan")["kv_format"], "int8");
  const std::string file = folder.write("plan.json", text);
  EXPECT_EQ(run_tessera(with(args, {"--check", file, "--json"})).out, text);
  EXPECT_THAT(failure_of(with(args, {"--check", file, "--kv", "bf16"}), 1),
              AllOf(HasSubstr("plan.json"), HasSubstr("keys and values: int8, should be bf16")));

  Json other = parse_json(text, "plan");
  other["kv_format"] = "int3";
  EXPECT_THAT(failure_of(with(args, {"--check", folder.write("other.json", other.dump())}), 1),
              AllOf(HasSubstr("kv_format"), HasSubstr("int3")));
  EXPECT_THAT(failure_of(with(args, {"--kv", "int3"}), 2), HasSubstr("--kv"));
}

TEST(Plan, WrongInputs) {
  EXPECT_THAT(failure_of({"plan", "--model-path", "/no/such", "--devices", "3x24GiB"}, 1),
              HasSubstr("/no/such"));
  EXPECT_THAT(failure_of({"plan", "--model-path", kYi34, "--devices", "3x24Gi"}, 2),
              HasSubstr("24Gi"));
  EXPECT_EQ(run_tessera({"plan", "--devices", "3x24GiB"}).status, 2);
}

TEST(Bench, TimesTheMachine) {
  const ProgramResult run = run_tessera({"bench", "machine", "--json"});
  EXPECT_EQ(run.status, 0) << run.err;
  const Json bench = parse_json(run.out, "stdout");
  EXPECT_GT(bench["read_bytes_per_s"].get<double>(), 0);
  ASSERT_EQ(bench["kernels"].size(), 6U);
  for (const Json& kernel : bench["kernels"]) {
    EXPECT_GT(kernel["prefill_flops_per_s"].get<double>(), 0) << kernel;
    EXPECT_GT(kernel["decode_bytes_per_s"].get<double>(), 0) << kernel;
  }
  EXPECT_THAT(run_tessera({"bench", "machine"}).out, HasSubstr("int4"));
}

TEST(Bench, TimesAModel) {
  const Args args = {"bench",
                     "model",
                     "--model-path",
                     kTiny,
                     "--devices",
                     kThreeDevices,
                     "--repeats",
                     "1",
                     "--prompt-tokens",
                     "20",
                     "--new-tokens",
                     "3",
                     "--quiet",
                     "--sequences",
                     "2",
                     "--context",
                     "64"};
  const ProgramResult run = run_tessera(with(args, {"--json"}));
  EXPECT_EQ(run.status, 0) << run.err;
  const Json bench = parse_json(run.out, "stdout");
  for (const char* key :
       {"prefill_s", "decode_step_s", "prefill_flops_per_s", "decode_bytes_per_s"})
    EXPECT_GT(bench[key].get<double>(), 0) << key;
  for (const char* key : {"s", "planned_s", "tokens", "flops_per_s"})
    EXPECT_GT(bench["picture"][key].get<double>(), 0) << key;
  EXPECT_GE(bench["devices"].size(), 1U);
  EXPECT_THAT(run_tessera(args).out, AllOf(HasSubstr("tokens/s"), HasSubstr("a picture, planned")));
  EXPECT_THAT(failure_of(with(args, {"--prompt-tokens", "100"}), 2), HasSubstr("context"));
}

TEST(Bench, ComparesPrecisions) {
  TempFolder folder;
  const std::string file = folder.path("sensitivities.json");
  const Args args = {"bench",     "quality", "--model-path",         kTiny,      "--devices",
                     "cpu@64MiB", "--text",  kTiny + "/config.json", "--tokens", "60"};
  const ProgramResult run =
      run_tessera(with(args, {"--json", "--precision", "int8,int4", "--measure-sensitivities", file,
                              "--mixed-plans", "3", "--kv", "int8"}));
  EXPECT_EQ(run.status, 0) << run.err;
  const Json bench = parse_json(run.out, "stdout");
  EXPECT_EQ(bench["text_tokens"], 59);  // nothing stands before the first
  ASSERT_EQ(bench["results"].size(), 6U);
  for (const Json& result : bench["results"]) {
    EXPECT_EQ(result["reference"], "bf16");
    EXPECT_EQ(result["tokens"], 59);
    for (const char* key : {"kl", "kl_error", "perplexity", "reference_perplexity"})
      EXPECT_GT(result[key].get<double>(), 0) << key;
    const bool of_weights = result["name"] != "kv int8";
    EXPECT_EQ(result["predicted_kl"].is_number(), of_weights);
  }
  EXPECT_EQ(bench["results"][5]["name"], "kv int8");
  EXPECT_LT(bench["results"][0]["kl"].get<double>(), bench["results"][1]["kl"].get<double>());
  EXPECT_TRUE(bench["rank_correlation"].is_number());

  // The planner takes the file; so does another comparison, of that plan.
  const Args plan_args = {"plan",      "--model-path", kTiny, "--devices",
                          "cpu@64MiB", "--context",    "64",  "--sensitivities"};
  const ProgramResult plan = run_tessera(with(plan_args, {file, "--json"}));
  EXPECT_EQ(plan.status, 0) << plan.err;
  const std::string plan_file = folder.write("plan.json", plan.out);
  const ProgramResult table = run_tessera(
      with(args, {"--sensitivities", file, "--plan", plan_file, "--precision", "int8"}));
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("59 tokens of text"), HasSubstr("KL predicted"),
                               HasSubstr("plan.json")));

  const std::string other = folder.write("other.json", "{\"sensitivities\": 1}");
  EXPECT_THAT(failure_of(with(plan_args, {other}), 1), HasSubstr("other.json"));
  EXPECT_THAT(failure_of(with(args, {"--measure-sensitivities", folder.path("no/s.json")}), 1),
              HasSubstr("no/s.json"));
  EXPECT_THAT(failure_of(with(args, {"--devices", "cpu@1MiB"}), 1), HasSubstr("does not fit"));
  EXPECT_THAT(failure_of(with(args, {"--text", folder.path("none")}), 1), HasSubstr("none"));
}

ProgramResult run_with_driver(const std::string& folder, const Args& args) {
  return run_program(with({"/usr/bin/env", "LD_LIBRARY_PATH=" + folder}, tessera_args(args)));
}

TEST(Devices, AreMeasuredAndSayHowGpusFare) {
  const ProgramResult table = run_with_driver(TESSERA_WORKING_DRIVER, {"devices"});
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("cpu"), HasSubstr("memory"), HasSubstr("GFLOP/s")));
  EXPECT_THAT(table.out,
              AllOf(HasSubstr("71 C"), HasSubstr("349 of 350 W"), HasSubstr("1395 of 2100 MHz"),
                    HasSubstr("97 %"), HasSubstr("power limit, heat"), HasSubstr("4.0 x16"),
                    HasSubstr("NVLink"), HasSubstr("768.0 MiB in 1")));

  const ProgramResult json = run_with_driver(TESSERA_WORKING_DRIVER, {"devices", "--json"});
  EXPECT_EQ(json.status, 0) << json.err;
  const Json report = parse_json(json.out, "stdout");
  const Json& host = report["host"];
  EXPECT_GT(host["threads"].get<int>(), 0);
  EXPECT_GT(host["memory_bytes"].get<uint64_t>(), host["available_bytes"].get<uint64_t>());
  // Between a slow laptop under full load and a server that does not exist yet.
  EXPECT_GT(host["read_bytes_per_s"].get<double>(), 1e8);
  EXPECT_LT(host["read_bytes_per_s"].get<double>(), 1e13);
  EXPECT_GT(host["f32_flops_per_s"].get<double>(), 1e7);

  const Json& gpus = report["gpus"];
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0]["temperature_c"], 71);
  EXPECT_EQ(gpus[0]["slowed_by"], Json::array({"power limit", "heat"}));
  EXPECT_EQ(gpus[0]["most_pcie"]["lanes"], 16);
  EXPECT_EQ(gpus[0]["paths"], Json::array({nullptr, "NVLink"}));
  EXPECT_TRUE(gpus[1]["temperature_c"].is_null());
  EXPECT_TRUE(gpus[1]["slowed_by"].is_null());
  EXPECT_EQ(gpus[1]["foreign_bytes"], uint64_t{1} << 30);
}

TEST(Devices, ABrokenGpuDriverStopsOnlyThoseWhoAskForGpus) {
  const auto run_with_broken = [](const Args& args) {
    return run_with_driver(TESSERA_BROKEN_DRIVER, args);
  };
  const ProgramResult devices = run_with_broken({"devices"});
  EXPECT_EQ(devices.status, 0) << devices.err;
  EXPECT_THAT(devices.out, HasSubstr("GFLOP/s"));
  EXPECT_THAT(devices.err, AllOf(StartsWith("tessera: warning: "), HasSubstr("version mismatch")));

  const Args plan = {"plan", "--model-path", kTiny, "--devices"};
  const ProgramResult cpu = run_with_broken(with(plan, {"cpu@40MiB"}));
  EXPECT_EQ(cpu.status, 0) << cpu.err;
  const ProgramResult cuda = run_with_broken(with(plan, {"cuda"}));
  EXPECT_EQ(cuda.status, 1);
  EXPECT_THAT(cuda.err, AllOf(StartsWith("tessera: error: "), HasSubstr("version mismatch")));
}

TEST(Tokenize, ThereAndBack) {
  const Args args = {"tokenize", "--model-path", kTiny};
  for (const char* text : {"What is the colour of a red car?", "请描述这张图像。", "a"}) {
    const ProgramResult ids = run_tessera(with(args, {text, "--json"}));
    EXPECT_EQ(ids.status, 0) << ids.err;
    std::string list;
    for (const Json& id : parse_json(ids.out, "stdout"))
      list += (list.empty() ? "" : ",") + id.dump();
    const ProgramResult back = run_tessera(with(args, {"--ids", list}));
    EXPECT_EQ(back.out, std::string(text) + "\n");
    const ProgramResult back_json = run_tessera(with(args, {"--ids", list, "--json"}));
    EXPECT_EQ(parse_json(back_json.out, "stdout").get<std::string>(), text);
  }
}

TEST(Tokenize, IdsAreTheOracles) {
  const Json goldens = read_json_file(kTiny + "/golden/tokenizer.json", 1 << 20);
  int compared = 0;
  for (const Json& one : goldens["encode"]) {
    const auto text = one["text"].get<std::string>();
    if (text.empty() || text.find('\0') != text.npos || ++compared > 5) continue;
    const ProgramResult got =
        run_tessera({"tokenize", "--model-path", kTiny, "--json", "--", text});
    EXPECT_EQ(parse_json(got.out, "stdout"), one["ids"]) << text;
  }
  EXPECT_GT(compared, 0);
}

TEST(Tokenize, WrongInputs) {
  EXPECT_THAT(failure_of({"tokenize", "--model-path", "/no/such", "x"}, 1), HasSubstr("/no/such"));
  EXPECT_THAT(failure_of({"tokenize", "--model-path", kTiny, "--ids", "1,999999"}, 1),
              HasSubstr("999999"));
  EXPECT_THAT(failure_of({"tokenize", "--model-path", kTiny}, 2), HasSubstr("--ids"));
}

TEST(Help, TeachesEveryCommand) {
  const ProgramResult top = run_tessera({"--help"});
  EXPECT_EQ(top.status, 0);
  EXPECT_EQ(top.err, "");
  EXPECT_THAT(lines_of(top.out),
              testing::Each(testing::ResultOf([](const std::string& line) { return line.size(); },
                                              testing::Le(100U))));
  for (const char* command : {"run", "chat", "plan", "devices", "tokenize", "pack"}) {
    EXPECT_THAT(top.out, HasSubstr(command));
    EXPECT_EQ(run_tessera({command, "--help"}).status, 0);
  }
  EXPECT_THAT(run_tessera({"--version"}).out, testing::MatchesRegex("tessera [0-9.]+\n"));
}

}  // namespace
}  // namespace tessera
