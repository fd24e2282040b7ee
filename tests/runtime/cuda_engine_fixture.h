#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/units.h"
#include "cuda_emulator/control.h"
#include "device/cuda_device.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/test_engine.h"

namespace tessera {

// Emulated kernels are slow: one recorded case of 349 tokens, with a picture, and one of 9.
struct Recorded {
  const char *checkpoint, *name;
};
inline constexpr Recorded kPicture = {"yi_vl_tiny", "picture_rgb_png"},
                          kText = {"llama_tiny", "english"};
inline constexpr int64_t kTokens = 8;  // of an answer, at most

inline std::unique_ptr<Device> open_gpu_share(size_t index, int card) {
  return open_cuda_device(card, {.name = fmt::format("cuda:{}", index),
                                 .kind = DeviceKind::kCuda,
                                 .budget_bytes = 60 * kMiB});
}

/// One device to a card, three cards.
inline std::unique_ptr<Device> open_next_gpu(size_t index) {
  return open_gpu_share(index, static_cast<int>(index % 3));
}

/// An engine over three emulated GPUs of 256 MiB. To ThreadSanitizer what
/// kernels do is for the tests of the emulator and of ops.
class CudaEngine : public testing::Test {
 protected:
  CudaEngine() { set_up({}); }
  ~CudaEngine() override { mend_emulated_machine(); }

  struct Gpus {
    int gpus = 3;
    uint64_t bytes = 256 * kMiB;
    std::optional<ThreadOrder> order = {};  ///< else the environment's
    uint64_t seed = 1;
  };
  static void set_up(const Gpus& wanted) {
    EmulatedMachine machine = emulated_machine_of_environment();
    machine.gpus = wanted.gpus;
    machine.gpu_bytes = wanted.bytes;
    machine.kernels_seen = false;
    if (wanted.order) {
      machine.order = *wanted.order;
      machine.seed = wanted.seed;
    }
    set_up_emulated_machine(machine);
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
