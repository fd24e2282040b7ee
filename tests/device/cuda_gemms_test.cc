#include "device/cuda_gemms.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "device/cuda_stream.h"
#include "tests/device/cuda_devices.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char *kChoose = "cublasLtMatmulAlgoGetHeuristic", *kMatmul = "cublasLtMatmul";
constexpr uint16_t kOne = 0x3f80;  // in bf16

using CudaGemmsTest = EmulatedGpus;

std::unique_ptr<Device> open_with_library(int card = 0, bool graphs = false) {
  return open_cuda_device(card, {.name = "cuda:" + std::to_string(card),
                                 .budget_bytes = 16 * kMiB,
                                 .graphs = graphs,
                                 .cublaslt = true});
}

GemmShape shape_of(int64_t rows, int64_t in = 16, int64_t out = 8) {
  return {.rows = rows, .in = in, .out = out, .x_stride = in, .w_stride = in, .y_stride = out};
}

// Products of ones, on a stream of their own: every number of y is `in`, and what is added.
class Ones {
 public:
  explicit Ones(Device& device, const GemmShape& most)
      : device_(device),
        stream_(device.open_stream("test")),
        x_(upload(device, std::vector<uint16_t>(count(most.rows, most.x_stride), kOne))),
        w_(upload(device, std::vector<uint16_t>(count(most.out, most.w_stride), kOne))),
        y_(upload(device, std::vector<float>(count(most.rows, most.y_stride), 0))) {}

  GemmOperands operands() const {
    return {.x = x_.data(), .w = w_.data(), .y = static_cast<float*>(y_.data())};
  }

  // Whether the library took it.
  bool multiply(const GemmShape& shape, const GemmOperands& operands) {
    bool taken = false;
    static_cast<CudaStream&>(*stream_).launch([&](const CudaQueue& queue) {
      taken = queue.gemms->multiply(queue, shape, operands);
      plans_ = queue.gemms->plans();
    });
    return taken;
  }
  bool multiply(const GemmShape& shape) { return multiply(shape, operands()); }

  Stream& stream() { return *stream_; }
  size_t plans() const { return plans_; }  // after the last call
  std::vector<float> y(size_t numbers) {
    stream_->synchronize();
    return download<float>(device_, y_, numbers);
  }

 private:
  static size_t count(int64_t rows, int64_t stride) { return static_cast<size_t>(rows * stride); }

  Device& device_;
  std::unique_ptr<Stream> stream_;
  DeviceBuffer x_, w_, y_;
  size_t plans_ = 0;
};

TEST_F(CudaGemmsTest, MultipliesAndAddsWhatItIsTold) {
  const auto device = open_with_library(1);
  GemmShape shape = shape_of(20);
  Ones ones(*device, shape);
  EXPECT_TRUE(ones.multiply(shape));
  EXPECT_THAT(ones.y(20 * 8), Each(16));
  const DeviceBuffer bias = upload(*device, std::vector<float>(8, 0.5F));
  GemmOperands operands = ones.operands();
  operands.bias = static_cast<const float*>(bias.data());
  operands.add_to_y = true;
  EXPECT_TRUE(ones.multiply(shape, operands));  // a shape without a bias takes none
  EXPECT_THAT(ones.y(20 * 8), Each(32));
  shape.bias = true;
  EXPECT_TRUE(ones.multiply(shape, operands));
  EXPECT_THAT(ones.y(20 * 8), Each(48.5F));
  EXPECT_EQ(ones.plans(), 2U);
}

TEST_F(CudaGemmsTest, OnlyDevicesThatAskHaveOne) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("test");
  bool asked = false;
  static_cast<CudaStream&>(*stream).launch([&](const CudaQueue& queue) {
    asked = true;
    EXPECT_EQ(queue.gemms, nullptr);
  });
  EXPECT_TRUE(asked);
  EXPECT_EQ(emulated_calls("cublasLtCreate"), 0U);
}

TEST_F(CudaGemmsTest, DoesNotAskTheLibraryForWhatIsNotAligned) {
  const auto device = open_with_library();
  GemmShape wide = shape_of(20);
  wide.x_stride = wide.w_stride = 24;
  wide.y_stride = 16;
  Ones ones(*device, wide);
  const auto refused = [&](const GemmShape& shape, const GemmOperands& operands) {
    EXPECT_FALSE(ones.multiply(shape, operands));
    EXPECT_EQ(emulated_calls(kChoose), 0U);
    ones.stream().synchronize();
  };
  for (const auto& [stride, value] : {std::pair{&GemmShape::x_stride, 20},
                                      {&GemmShape::w_stride, 20},
                                      {&GemmShape::y_stride, 10}}) {
    GemmShape shape = wide;
    shape.*stride = value;
    refused(shape, ones.operands());
  }
  const auto moved = [](const void* data) { return static_cast<const std::byte*>(data) + 8; };
  GemmOperands operands = ones.operands();
  operands.x = moved(operands.x);
  refused(wide, operands);
  operands = ones.operands();
  operands.w = moved(operands.w);
  refused(wide, operands);
  operands = ones.operands();
  operands.y += 2;
  refused(wide, operands);
  wide.bias = true;
  operands = ones.operands();
  operands.bias = operands.y + 2;
  refused(wide, operands);
}

TEST_F(CudaGemmsTest, KeepsTheLastShapesAlone) {
  constexpr int64_t kShapes = CudaGemms::kMostPlans;
  const auto device = open_with_library();
  Ones ones(*device, shape_of(kShapes + 1));
  for (int64_t rows = 1; rows <= kShapes; ++rows) ASSERT_TRUE(ones.multiply(shape_of(rows)));
  EXPECT_EQ(ones.plans(), CudaGemms::kMostPlans);
  EXPECT_TRUE(ones.multiply(shape_of(1)));  // used again: the second is the oldest now
  EXPECT_EQ(emulated_calls(kChoose), CudaGemms::kMostPlans);
  EXPECT_TRUE(ones.multiply(shape_of(kShapes + 1)));
  EXPECT_EQ(ones.plans(), CudaGemms::kMostPlans);
  EXPECT_TRUE(ones.multiply(shape_of(1)));
  EXPECT_EQ(emulated_calls(kChoose), CudaGemms::kMostPlans + 1);
  EXPECT_TRUE(ones.multiply(shape_of(2)));
  EXPECT_EQ(emulated_calls(kChoose), CudaGemms::kMostPlans + 2);
  EXPECT_THAT(ones.y(kShapes * 8), Each(16));
}

TEST_F(CudaGemmsTest, AShapeWithoutAnAlgorithmIsLeftToOthers) {
  const auto device = open_with_library();
  Ones ones(*device, shape_of(30));
  inject_failure({.call = kChoose, .error = cudaErrorNotSupported});
  EXPECT_FALSE(ones.multiply(shape_of(20)));
  EXPECT_FALSE(ones.multiply(shape_of(20)));
  EXPECT_EQ(emulated_calls(kChoose), 1U);
  EXPECT_TRUE(ones.multiply(shape_of(30)));
  EXPECT_THAT(ones.y(30 * 8), Each(16));
}

TEST_F(CudaGemmsTest, AFailedCallIsItsStreamsErrorAndTheDeviceLives) {
  const auto device = open_with_library();
  for (const char* call : {kMatmul, kChoose, "cublasLtMatmulDescCreate",
                           "cublasLtMatrixLayoutCreate", "cublasLtMatmulDescSetAttribute"}) {
    SCOPED_TRACE(call);
    GemmShape shape = shape_of(20);
    shape.in = call == kMatmul ? 8 : 16;  // a new one, then one that failed
    Ones ones(*device, shape_of(20));
    inject_failure({.call = call, .error = cudaErrorLaunchFailure});
    EXPECT_FALSE(ones.multiply(shape));
    EXPECT_EQ(error_of([&] { ones.stream().synchronize(); }),
              fmt::format("cuda:0: 20 rows of {} inputs to 8 outputs by cuBLASLt: found the "
                          "function failed to launch on the GPU (cuBLAS status 13) (gemm=own, the "
                          "default, needs no such library)",
                          shape.in));
  }
  Ones ones(*device, shape_of(20));
  EXPECT_TRUE(ones.multiply(shape_of(20)));
  EXPECT_THAT(ones.y(20 * 8), Each(16));
}

TEST_F(CudaGemmsTest, ALibraryThatDoesNotTakeTheCardIsTheDevicesError) {
  const uint64_t before = free_cuda_bytes(0);
  for (const char* call : {"cublasLtCreate", "cublasLtMatmulPreferenceCreate",
                           "cublasLtMatmulPreferenceSetAttribute"}) {
    inject_failure({.call = call, .error = cudaErrorMemoryAllocation});
    EXPECT_THAT(error_of([] { open_with_library(); }),
                AllOf(StartsWith("cuda:0: "), HasSubstr("cuBLASLt"),
                      HasSubstr("found the resource allocation failed (cuBLAS status 3)")));
    EXPECT_EQ(free_cuda_bytes(0), before);
  }
  EXPECT_NO_THROW(open_with_library());
}

TEST_F(CudaGemmsTest, ALostCardIsNamedByItsOwnError) {
  const auto device = open_with_library();
  Ones ones(*device, shape_of(20));
  EXPECT_TRUE(ones.multiply(shape_of(20)));
  inject_failure({.call = "kernel", .error = cudaErrorIllegalAddress});
  EXPECT_TRUE(ones.multiply(shape_of(20)));  // it fails when it runs
  EXPECT_THAT(error_of([&] { ones.stream().synchronize(); }), HasSubstr("illegal memory access"));
  mend_emulated_machine();

  const auto other = open_with_library(1);
  Ones on_other(*other, shape_of(20));
  EXPECT_TRUE(on_other.multiply(shape_of(20)));
  on_other.stream().synchronize();
  static_cast<CudaStream&>(on_other.stream()).launch([&](const CudaQueue& queue) {
    break_emulated_gpu(1, cudaErrorECCUncorrectable);
    queue.gemms->multiply(queue, shape_of(20), on_other.operands());
  });
  EXPECT_THAT(error_of([&] { on_other.stream().synchronize(); }),
              AllOf(StartsWith("cuda:1: 20 rows of 16 inputs"), HasSubstr("ECC")));
  EXPECT_THAT(error_of([&] { (void)other->make_event(); }), HasSubstr("ECC"));
}

TEST_F(CudaGemmsTest, ReplaysAsAGraph) {
  const auto device = open_with_library(0, true);
  GemmShape shape = shape_of(20);
  shape.bias = true;
  Ones ones(*device, shape);
  const DeviceBuffer bias = upload(*device, std::vector<float>(8, 0.5F));
  const DeviceBuffer others = upload(*device, std::vector<float>(8, 100));
  GemmOperands operands = ones.operands();
  operands.add_to_y = true;
  for (int step = 1; step <= 5; ++step) {
    ones.stream().replay({1}, [&] {
      operands.bias = static_cast<const float*>(bias.data());
      EXPECT_TRUE(ones.multiply(shape, operands));
    });
    EXPECT_THAT(ones.y(20 * 8), Each(static_cast<float>(step) * 16.5F));
    // Between steps the plan serves another bias.
    const DeviceBuffer elsewhere = upload(*device, std::vector<float>(20 * 8, 0));
    GemmOperands besides = operands;
    besides.bias = static_cast<const float*>(others.data());
    besides.y = static_cast<float*>(elsewhere.data());
    EXPECT_TRUE(ones.multiply(shape, besides));
    ones.stream().synchronize();
    EXPECT_THAT(download<float>(*device, elsewhere, 20 * 8), Each(116));
  }
  EXPECT_EQ(emulated_calls("cudaGraphLaunch"), 4U);
}

TEST_F(CudaGemmsTest, ServesSeveralStreamsAtOnce) {
  const auto device = open_with_library();
  const auto serve = [&](float added) {
    GemmShape shape = shape_of(20);
    shape.bias = true;
    Ones ones(*device, shape);
    const DeviceBuffer bias = upload(*device, std::vector<float>(8, added));
    GemmOperands operands = ones.operands();
    operands.bias = static_cast<const float*>(bias.data());
    for (int i = 0; i < 40; ++i) {
      shape.rows = 1 + i % 20;
      EXPECT_TRUE(ones.multiply(shape, operands));
    }
    EXPECT_THAT(ones.y(20 * 8), Each(16 + added));
  };
  std::thread first(serve, 1.0F), second(serve, 2.0F);
  first.join();
  second.join();
}

}  // namespace
}  // namespace tessera
