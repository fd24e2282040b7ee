#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "device/cuda_device.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"
#ifdef TESSERA_CUDA_EMULATED
#include "cuda_emulator/control.h"
#endif

namespace tessera {

// Emulated kernels are slow: one recorded case of 349 tokens, with a picture, and one of 9.
struct Recorded {
  const char *checkpoint, *name;
};
inline constexpr Recorded kPicture = {"yi_vl_tiny", "picture_rgb_png"},
                          kText = {"llama_tiny", "english"};
inline const std::string kPictureDir = golden_dir(kPicture.checkpoint);
inline const std::string kTextDir = golden_dir(kText.checkpoint);
inline constexpr int64_t kTokens = 8;  // of an answer, at most

inline std::unique_ptr<Device> open_gpu_share(size_t index, int card) {
  return open_cuda_device(card, {.name = fmt::format("cuda:{}", index),
                                 .kind = DeviceKind::kCuda,
                                 .budget_bytes = 60 * kMiB});
}

/// One device to a card, as long as there are cards: three emulated ones.
inline std::unique_ptr<Device> open_next_gpu(size_t index) {
  const size_t cards = kCudaEmulated ? 3 : find_cuda_cards().size();
  return open_gpu_share(index, static_cast<int>(index % cards));
}

/// Engines over three emulated GPUs of 256 MiB, or over the GPUs of this machine; skipped where a
/// build for GPUs finds none. To ThreadSanitizer what emulated kernels do is for the tests of the
/// emulator and of ops.
class OnGpus : public testing::Test {
 protected:
#ifdef TESSERA_CUDA_EMULATED
  OnGpus() {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = 3;
    machine.gpu_bytes = 256 * kMiB;
    machine.kernels_seen = false;
    set_up_emulated_machine(machine);
  }
#endif
  void SetUp() override {
    if (!kCudaEmulated && find_cuda_cards().empty()) GTEST_SKIP() << "no GPU on this machine";
  }

  static GoldenCase golden(const Recorded& recorded) {
    const std::vector<GoldenCase> cases = read_goldens(recorded.checkpoint);
    return *std::ranges::find(cases, recorded.name, &GoldenCase::name);
  }
  static Request question(const Recorded& recorded) {
    Request request = request_of(golden(recorded), 0);
    request.max_new_tokens = std::min(request.max_new_tokens, kTokens);
    return request;
  }
};

}  // namespace tessera
