// The demo model over GPUs, emulated or real, as a user meets it: the program itself.

#include <gmock/gmock.h>

#include "tests/cli/cuda_run.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Real ones: as many cards as there are may be one.
constexpr const char* kThreeGpus = kCudaEmulated ? "3xcuda@20MiB" : "3xcuda:0@20MiB";

class CudaRunIn : public CudaRun, public testing::WithParamInterface<const char*> {};

TEST_P(CudaRunIn, AnswersQuestionsAboutPicturesRight) {
  const Json asked = question(2);
  const Json got = json_of(run_tessera(
      with(run_of(asked, kThreeGpus), {"--json", "--quiet", "--precision", GetParam()})));
  EXPECT_EQ(got["text"], asked["answer"]);
}

INSTANTIATE_TEST_SUITE_P(Weights, CudaRunIn, testing::Values("f32", "bf16", "int8", "int4"));

TEST_F(CudaRun, SharesOneCardAmongThreeDevices) {
  const Json asked = question(2);
  const ProgramResult got = run_tessera(run_of(asked, "3xcuda:0@6MiB"));
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, asked["answer"].get<std::string>() + "\n");
  EXPECT_THAT(got.err, AllOf(HasSubstr("cuda:0.0"), HasSubstr("cuda:0.2")));
}

}  // namespace
}  // namespace tessera
