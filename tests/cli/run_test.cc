// `tessera run` as a user meets it: the program itself, its streams and its exit status.

#include <gmock/gmock.h>

#include "tests/cli/programs.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// `run` with the first question of a golden case.
Args run_of(const std::string& checkpoint, const Json& golden,
            const std::string& devices = kThreeDevices) {
  Args args = with({"run"}, exact(checkpoint, devices));
  for (const auto& picture : golden["pictures"])
    args = with(args, {"--image-file", kGolden + "/pictures/" + picture.get<std::string>()});
  return with(args, {"--question", golden["turns"][0]["question"].get<std::string>(),
                     "--max-new-tokens", golden["max_new_tokens"].dump()});
}

struct Case {
  const char* checkpoint;
  const char* name;
};

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, TokensTextAndPromptAreTheOracles) {
  const auto& [checkpoint, name] = GetParam();
  const Json golden = golden_case(checkpoint, name), turn = golden["turns"][0];
  const Json got = json_of(run_tessera(with(run_of(checkpoint, golden), {"--json", "--quiet"})));
  EXPECT_EQ(got["token_ids"], turn["token_ids"]);
  EXPECT_EQ(got["text"], turn["text"]);
  EXPECT_EQ(got["prompt_ids"], turn["prompt_ids"]);
  EXPECT_EQ(got["prompt_tokens"], turn["prompt_tokens"]);
  EXPECT_EQ(got["finish_reason"], turn["finish_reason"]);
  // Two correct f32 programs that add in other orders: 2e-5 is what the oracle's own f32 is off by
  // on logits of about 1 (f32_error in the goldens); allow ten times that.
  ASSERT_EQ(got["first_logits"].size(), 20U);
  for (size_t i = 0; i < 20; ++i)
    EXPECT_NEAR(got["first_logits"][i][1].get<double>(), turn["first_logits"][i][1].get<double>(),
                2e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Golden,
    testing::Values(Case{"yi_vl_tiny", "picture_rgb_png"}, Case{"yi_vl_tiny", "two_pictures"},
                    Case{"yi_vl_tiny", "long_chinese"}, Case{"yi_vl_tiny", "text_only"},
                    Case{"yi_vl_tiny", "white_space"}, Case{"yi_vl_shards", "english"},
                    Case{"yi_vl_odd", "chinese"}),
    [](const auto& one) { return std::string(one.param.checkpoint) + "_" + one.param.name; });

TEST(Run, PicturesOnAnyDevicesGiveTheSameTokens) {
  const Json golden = golden_case("yi_vl_tiny", "picture_rgb_png");
  for (const char* devices :
       {"cpu@40MiB{threads=1}", "2xcpu@40MiB{threads=1}", "5xcpu@40MiB{threads=1}"}) {
    const Args args = with(run_of("yi_vl_tiny", golden, devices), {"--json", "--quiet"});
    EXPECT_EQ(json_of(run_tessera(args))["token_ids"], golden["turns"][0]["token_ids"]) << devices;
  }
}

TEST(Run, TheAnswerStreamsToStdoutAndAllElseToStderr) {
  const Json golden = golden_case("yi_vl_tiny", "picture_rgb_png");
  const ProgramResult got = run_tessera(run_of("yi_vl_tiny", golden));
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, golden["turns"][0]["text"].get<std::string>() + "\n");
  EXPECT_THAT(got.err, AllOf(HasSubstr("loaded "), HasSubstr("tokens/s"), HasSubstr("cpu:0"),
                             Not(HasSubstr("error"))));
  EXPECT_THAT(got.err, Not(HasSubstr("\x1b"))) << "a terminal's codes on a pipe";

  const ProgramResult quiet = run_tessera(with(run_of("yi_vl_tiny", golden), {"--quiet"}));
  EXPECT_EQ(quiet.out, got.out);
  EXPECT_EQ(quiet.err, "");
}

TEST(Run, LoadingHoldsTheHostCapWhateverWasHeldBefore) {
  const TempFolder folder;
  // 200 MiB of weights, made up while they load.
  const std::string text = read_file(kGolden + "/llama_tiny/config.json", 1 << 20);
  Json config = parse_json(text, "config.json");
  config["hidden_size"] = 1024;
  config["intermediate_size"] = 2816;
  config["num_attention_heads"] = config["num_key_value_heads"] = 16;
  config["num_hidden_layers"] = 8;
  config["torch_dtype"] = "bfloat16";
  folder.write("config.json", config.dump());
  folder.write("random_weights.json", "{\"seed\": 1}");
  folder.write("tokenizer.model", read_file(kGolden + "/llama_tiny/tokenizer.model", 1 << 20));

  const NothingCalibrated with_rates_measured_before;  // which takes several hundred MiB
  const Json got = json_of(
      run_tessera({"run", "--model-path", folder.path(), "--devices", "2xcpu@256MiB{threads=1}",
                   "--question", "Hello.", "--conv-mode", "plain", "--precision", "bf16",
                   "--max-new-tokens", "1", "--host-memory", "24MiB", "--json"}));
  EXPECT_GT(got["loaded_bytes"].get<uint64_t>(), 190U << 20);
  const auto peak_bytes = got["host_peak_bytes"].get<uint64_t>();
  EXPECT_GT(peak_bytes, 16U << 20);                  // two readers' pieces
  EXPECT_LT(peak_bytes, (24U << 20) + (64U << 20));  // the program itself takes some 40 MiB
}

TEST(Run, JsonHasWhatTheCommandLinePromises) {
  const Json golden = golden_case("yi_vl_tiny", "picture_rgb_png");
  const Json got = json_of(run_tessera(with(run_of("yi_vl_tiny", golden), {"--json"})));
  for (const char* key : {"load_ms", "vision_ms", "prefill_ms", "decode_ms", "prefill_tokens_per_s",
                          "decode_tokens_per_s"})
    EXPECT_GT(got["timings"][key].get<double>(), 0) << key;
  EXPECT_GT(got["host_peak_bytes"].get<uint64_t>(), 0U);
  EXPECT_TRUE(got["plan"]["fits"].get<bool>());

  int layers = 0, visions = 0, heads = 0;
  for (const Json& device : got["devices"]) {
    EXPECT_THAT(device["name"].get<std::string>(), StartsWith("cpu:"));
    EXPECT_EQ(device["budget_bytes"], 40U << 20);
    EXPECT_EQ(device["planned_bytes"], device["measured_peak_bytes"]);
    if (device["layers"].is_array()) {
      EXPECT_EQ(device["layers"][0], layers);
      layers = device["layers"][1].get<int>() + 1;
    }
    visions += device["vision"].get<bool>() ? 1 : 0;
    heads += device["head"].get<bool>() ? 1 : 0;
    EXPECT_TRUE(device["embedding"].is_boolean());
  }
  EXPECT_EQ(layers, 6);
  EXPECT_EQ(visions, 1);
  EXPECT_EQ(heads, 1);
}

TEST(Run, UnderscoresAndDashesAreAlike) {
  const Args args = {"run",
                     "--model_path=" + kTiny,
                     "--devices=cpu@40MiB{threads=1}",
                     "--precision=f32",
                     "--temperature=0",
                     "--num_beams=1",
                     "--top_p=0.9",
                     "--question=Hello.",
                     "--max_new-tokens=3",
                     "--conv_mode=mm_default",
                     "--quiet"};
  EXPECT_EQ(run_tessera(args).status, 0);
}

TEST(Run, ASeedRepeatsASample) {
  const Args args = {"run",
                     "--model-path",
                     kTiny,
                     "--devices",
                     "cpu@40MiB{threads=1}",
                     "--temperature",
                     "1.5",
                     "--top-k",
                     "50",
                     "--max-new-tokens",
                     "12",
                     "--question",
                     "Hello.",
                     "--json",
                     "--quiet",
                     "--seed"};
  const Json one = json_of(run_tessera(with(args, {"7"})));
  EXPECT_EQ(one["token_ids"], json_of(run_tessera(with(args, {"7"})))["token_ids"]);
  EXPECT_NE(one["token_ids"], json_of(run_tessera(with(args, {"8"})))["token_ids"]);
}

TEST(Run, BeamsAnswer) {
  const Args args = {"run",
                     "--model-path",
                     kTiny,
                     "--devices",
                     "2xcpu@40MiB{threads=1}",
                     "--num_beams",
                     "3",
                     "--max-new-tokens",
                     "6",
                     "--question",
                     "Hello.",
                     "--json",
                     "--quiet"};
  const Json got = json_of(run_tessera(args));
  EXPECT_GT(got["token_ids"].size(), 0U);
  EXPECT_EQ(got["plan"]["sequences"], 3);
}

TEST(Run, APlanFromAFileIsUsed) {
  TempFolder folder;
  const std::string devices = "2xcpu@40MiB{threads=1}";
  const ProgramResult plan = run_tessera({"plan", "--model-path", kTiny, "--precision", "f32",
                                          "--devices", devices, "--json", "--quiet"});
  ASSERT_EQ(plan.status, 0) << plan.err;
  const std::string file = folder.write("plan.json", plan.out);
  const Json golden = golden_case("yi_vl_tiny", "picture_rgb_png");
  const Args args = with(run_of("yi_vl_tiny", golden, devices), {"--json", "--quiet"});
  const Json got = json_of(run_tessera(with(args, {"--plan", file})));
  EXPECT_EQ(got["token_ids"], golden["turns"][0]["token_ids"]);
  const auto stages = [](Json of) {  // shares are worked out anew, to the last digit but one
    for (Json& stage : of["stages"]) stage.erase("share");
    return of["stages"];
  };
  EXPECT_EQ(stages(got["plan"]), stages(parse_json(plan.out, "plan")));

  const Args other = with(run_of("yi_vl_tiny", golden, "cpu@40MiB{threads=1}"), {"--plan", file});
  EXPECT_THAT(failure_of(other, 1), HasSubstr("plan.json"));
  const std::string broken = folder.write("broken.json", plan.out.substr(0, plan.out.size() / 2));
  EXPECT_THAT(failure_of(with(args, {"--plan", broken}), 1), HasSubstr("broken.json"));
}

}  // namespace
}  // namespace tessera
