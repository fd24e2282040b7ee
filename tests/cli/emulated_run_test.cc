// The program on emulated GPUs alone: what depends on how many there are, and how large.

#include <gmock/gmock.h>

#include "tests/cli/cuda_run.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using EmulatedRun = CudaRun;

TEST_F(EmulatedRun, AnswersRightWithTheLibrarysMatmuls) {
  const Json asked = question(2);
  const Json got = json_of(run_tessera(with(run_of(asked, "3xcuda@20MiB{gemm=cublaslt}"),
                                            {"--json", "--quiet", "--precision", "bf16"})));
  EXPECT_EQ(got["text"], asked["answer"]);
}

TEST_F(EmulatedRun, WhatIsNotThereIsOneLine) {
  EXPECT_THAT(failure_of(run_of(question(2), "cuda:3"), 1),
              HasSubstr("--devices: cuda:3: expected cuda:0 to cuda:2, found cuda:3"));
  EXPECT_THAT(failure_of(run_of(question(2), "cuda@65MiB"), 1),
              HasSubstr("expected at most 63.0 MiB: cuda:0 has 64.0 MiB"));
}

}  // namespace
}  // namespace tessera
