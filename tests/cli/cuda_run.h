#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "device/cuda_device.h"
#include "tests/cli/programs.h"

namespace tessera {

/// The program on three emulated GPUs, or on those of this machine; skipped where a build for GPUs
/// finds none.
class CudaRun : public testing::Test {
 protected:
  CudaRun() { ::setenv(kGpus, "3x64MiB", 1); }
  void SetUp() override {
    if (!kCudaEmulated && find_cuda_cards().empty()) GTEST_SKIP() << "no GPU on this machine";
  }
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

}  // namespace tessera
