// The demo model over emulated GPUs, as a user meets it: the program itself.

#include <gmock/gmock.h>

#include "tests/cli/programs.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CudaRun : public testing::Test {
 protected:
  CudaRun() { ::setenv(kGpus, "3x64MiB", 1); }
  ~CudaRun() override { ::unsetenv(kGpus); }

  // A question of the demo's evaluation set about its first pictures, as its line says.
  static Json question(size_t line) {
    const std::string path = std::string(TESSERA_DEMO_DIR) + "/eval/questions.jsonl";
    return parse_json(lines_of(read_file(path, 16 << 20))[line], path);
  }
  static Args run_of(const Json& asked, const std::string& devices) {
    return {"run",
            "--model-path",
            TESSERA_DEMO_DIR,
            "--devices",
            devices,
            "--temperature",
            "0",
            "--image-file",
            std::string(TESSERA_DEMO_DIR) + "/eval/pictures/" + asked["image"].get<std::string>(),
            "--question",
            asked["question"].get<std::string>()};
  }

  static constexpr const char* kGpus = "TESSERA_EMULATED_GPUS";
};

class CudaRunIn : public CudaRun, public testing::WithParamInterface<const char*> {};

TEST_P(CudaRunIn, AnswersQuestionsAboutPicturesRight) {
  const Json asked = question(2);
  const Json got = json_of(run_tessera(
      with(run_of(asked, "3xcuda@20MiB"), {"--json", "--quiet", "--precision", GetParam()})));
  EXPECT_EQ(got["text"], asked["answer"]);
}

INSTANTIATE_TEST_SUITE_P(Weights, CudaRunIn, testing::Values("f32", "bf16", "int8", "int4"));

TEST_F(CudaRun, AnswersRightWithTheLibrarysMatmuls) {
  const Json asked = question(2);
  const Json got = json_of(run_tessera(with(run_of(asked, "3xcuda@20MiB{gemm=cublaslt}"),
                                            {"--json", "--quiet", "--precision", "bf16"})));
  EXPECT_EQ(got["text"], asked["answer"]);
}

TEST_F(CudaRun, SharesOneCardAmongThreeDevices) {
  const Json asked = question(2);
  const ProgramResult got = run_tessera(run_of(asked, "3xcuda:0@6MiB"));
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, asked["answer"].get<std::string>() + "\n");
  EXPECT_THAT(got.err, AllOf(HasSubstr("cuda:0.0"), HasSubstr("cuda:0.2")));
}

TEST_F(CudaRun, WhatIsNotThereIsOneLine) {
  EXPECT_THAT(failure_of(run_of(question(2), "cuda:3"), 1),
              HasSubstr("--devices: cuda:3: expected cuda:0 to cuda:2, found cuda:3"));
  EXPECT_THAT(failure_of(run_of(question(2), "cuda@65MiB"), 1),
              HasSubstr("expected at most 63.0 MiB: cuda:0 has 64.0 MiB"));
}

}  // namespace
}  // namespace tessera
