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

// NVML counts by PCI bus, CUDA in an order of its own; a card that NVML does not tell of is there
// all the same.
TEST_F(EmulatedRun, DevicesAreNumberedAsDevicesTakesThem) {
  const auto run = [](const Args& args) {
    return run_program(
        with({"/usr/bin/env", "LD_LIBRARY_PATH=" TESSERA_RENUMBERING_DRIVER}, tessera_args(args)));
  };
  const Json gpus = json_of(run({"devices", "--json"}))["gpus"];
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_EQ(gpus[0]["device"], "cuda:0");
  EXPECT_EQ(gpus[0]["name"], "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(gpus[0]["paths"], Json::array({nullptr, "NVLink", nullptr}));
  EXPECT_EQ(gpus[1]["device"], "cuda:1");
  EXPECT_EQ(gpus[1]["name"], "NVIDIA GeForce RTX 3090");
  EXPECT_EQ(gpus[1]["temperature_c"], 71);
  EXPECT_EQ(gpus[1]["paths"], Json::array({"NVLink", nullptr, nullptr}));
  EXPECT_EQ(gpus[2]["device"], "cuda:2");
  EXPECT_EQ(gpus[2]["name"], "Emulated GPU");
  EXPECT_EQ(gpus[2]["memory_bytes"], uint64_t{64} << 20);
}

TEST_F(EmulatedRun, DevicesAreMeasuredWhereAskedFor) {
  const Json gpus = json_of(run_tessera({"devices", "--json", "--measure"}))["gpus"];
  ASSERT_EQ(gpus.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_GT(gpus[i]["read_bytes_per_s"].get<double>(), 0);
    EXPECT_GT(gpus[i]["bf16_flops_per_s"].get<double>(), 0);
    for (const char* way : {"from_host", "to_host"})  // of the emulator's 12 GB/s
      EXPECT_NEAR(gpus[i][way]["bytes_per_s"].get<double>(), 12e9, 3e9) << way;
    ASSERT_EQ(gpus[i]["links"].size(), 3U);
    EXPECT_TRUE(gpus[i]["links"][i].is_null());
    EXPECT_NEAR(gpus[i]["links"][(i + 1) % 3]["bytes_per_s"].get<double>(), 12e9, 3e9);
  }
  const ProgramResult table = run_tessera({"devices"});  // rates are known by now, links are not
  EXPECT_THAT(table.out, AllOf(HasSubstr("cuda:2"), HasSubstr("TFLOP/s"), HasSubstr("from host")));
}

}  // namespace
}  // namespace tessera
