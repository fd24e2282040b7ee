#include "cuda/cublas_lt.h"

#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"
#include "tests/support/error_of.h"

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#endif

namespace tessera {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::StartsWith;

#if __has_include(<cublasLt.h>)
// What cublas_lt_api.h declares is what the toolkit does.
static_assert(kCublasSuccess == CUBLAS_STATUS_SUCCESS &&
              kCublasAllocFailed == CUBLAS_STATUS_ALLOC_FAILED &&
              kCublasInvalidValue == CUBLAS_STATUS_INVALID_VALUE &&
              kCublasExecutionFailed == CUBLAS_STATUS_EXECUTION_FAILED &&
              kCublasNotSupported == CUBLAS_STATUS_NOT_SUPPORTED);
static_assert(kCublasTransposed == CUBLAS_OP_T && kCublasSumsF32 == CUBLAS_COMPUTE_32F &&
              kCublasF32 == CUDA_R_32F && kCublasBF16 == CUDA_R_16BF);
static_assert(kCublasLtTransposeA == CUBLASLT_MATMUL_DESC_TRANSA &&
              kCublasLtEpilogue == CUBLASLT_MATMUL_DESC_EPILOGUE &&
              kCublasLtBiasPointer == CUBLASLT_MATMUL_DESC_BIAS_POINTER &&
              kCublasLtAddBias == CUBLASLT_EPILOGUE_BIAS);
static_assert(kCublasLtMostWorkspace == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES &&
              kCublasLtAlignmentA == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
              kCublasLtAlignmentA + 1 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES &&
              kCublasLtAlignmentA + 2 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES &&
              kCublasLtAlignmentA + 3 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(sizeof(CublasLtAlgorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(
    sizeof(CublasLtChoice) == sizeof(cublasLtMatmulHeuristicResult_t) &&
    offsetof(CublasLtChoice, algorithm) == offsetof(cublasLtMatmulHeuristicResult_t, algo) &&
    offsetof(CublasLtChoice, workspace_bytes) ==
        offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) &&
    offsetof(CublasLtChoice, status) == offsetof(cublasLtMatmulHeuristicResult_t, state) &&
    offsetof(CublasLtChoice, waves) == offsetof(cublasLtMatmulHeuristicResult_t, wavesCount));

// Functions: as many arguments, each passed as the toolkit's is.
template <typename A, typename B>
constexpr bool kPassedAlike = (std::is_pointer_v<A> && std::is_pointer_v<B>) ||
                              (!std::is_pointer_v<A> && !std::is_pointer_v<B> &&
                               sizeof(A) == sizeof(B));
template <typename A, typename B>
constexpr bool kCalledAlike = false;
template <typename A, typename... As, typename B, typename... Bs>
constexpr bool kCalledAlike<A (*)(As...), B (*)(Bs...)> =
    sizeof...(As) == sizeof...(Bs) && kPassedAlike<A, B> && (kPassedAlike<As, Bs> && ...);
static_assert(kCalledAlike<decltype(CublasLt::create), decltype(&cublasLtCreate)> &&
              kCalledAlike<decltype(CublasLt::destroy), decltype(&cublasLtDestroy)> &&
              kCalledAlike<decltype(CublasLt::status_string), decltype(&cublasLtGetStatusString)>);
static_assert(
    kCalledAlike<decltype(CublasLt::layout_create), decltype(&cublasLtMatrixLayoutCreate)> &&
    kCalledAlike<decltype(CublasLt::layout_destroy), decltype(&cublasLtMatrixLayoutDestroy)> &&
    kCalledAlike<decltype(CublasLt::operation_create), decltype(&cublasLtMatmulDescCreate)> &&
    kCalledAlike<decltype(CublasLt::operation_destroy), decltype(&cublasLtMatmulDescDestroy)> &&
    kCalledAlike<decltype(CublasLt::operation_set), decltype(&cublasLtMatmulDescSetAttribute)>);
static_assert(kCalledAlike<decltype(CublasLt::preference_create),
                           decltype(&cublasLtMatmulPreferenceCreate)> &&
              kCalledAlike<decltype(CublasLt::preference_destroy),
                           decltype(&cublasLtMatmulPreferenceDestroy)> &&
              kCalledAlike<decltype(CublasLt::preference_set),
                           decltype(&cublasLtMatmulPreferenceSetAttribute)> &&
              kCalledAlike<decltype(CublasLt::choose), decltype(&cublasLtMatmulAlgoGetHeuristic)> &&
              kCalledAlike<decltype(CublasLt::matmul), decltype(&cublasLtMatmul)>);
#endif

TEST(CublasLtLibrary, ThatIsNotThereIsOneError) {
  EXPECT_THAT(error_of([] { load_cublas_lt("libno_such_library.so.13"); }),
              AllOf(StartsWith("libno_such_library.so.13: expected NVIDIA's matmul library, for "
                               "gemm=cublaslt, found libno_such_library.so.13: "),
                    HasSubstr("CUDA toolkit, or with pip's nvidia-cublas"), HasSubstr("gemm=own")));
}

TEST(CublasLtLibrary, ThatIsAnotherIsOneError) {
  EXPECT_EQ(error_of([] { load_cublas_lt("libc.so.6"); }),
            "libc.so.6: cublasLtCreate: expected a function of cuBLASLt 13, found none (gemm=own, "
            "the default, needs no such library)");
}

// A product of 20 rows, 16 inputs and 8 outputs as tests change it; numbers are ones in bf16.
class CublasLtStandIn : public EmulatedMachineTest {
 protected:
  static constexpr int64_t kRows = 20, kIn = 16, kOut = 8;
  static constexpr size_t kNumbers = kRows * kOut;

  void SetUp() override {
    EmulatedMachineTest::SetUp();
    stream_ = std::make_unique<TestStream>();
    const auto of_ones = [&](int64_t count) {
      return std::make_unique<DeviceVector<uint16_t>>(
          std::vector<uint16_t>(static_cast<size_t>(count), 0x3f80), *stream_);
    };
    w_ = of_ones(kOut * kIn);
    x_ = of_ones(kRows * kIn);
    y_ = std::make_unique<DeviceVector<float>>(std::vector<float>(kNumbers, 2), *stream_);
    room_ = std::make_unique<DeviceVector<float>>(std::vector<float>(kNumbers), *stream_);
    stream_->synchronize();
    ASSERT_EQ(lt_.create(&context_), kCublasSuccess);
    ASSERT_EQ(lt_.operation_create(&operation_, kCublasSumsF32, kCublasF32), kCublasSuccess);
    ASSERT_EQ(lt_.operation_set(operation_, kCublasLtTransposeA, &kCublasTransposed, 4),
              kCublasSuccess);
    ASSERT_EQ(lt_.preference_create(&preference_), kCublasSuccess);
    allow_workspace(room_->bytes());
    a_ = layout(kCublasBF16, kIn, kOut, kIn);
    b_ = layout(kCublasBF16, kIn, kRows, kIn);
    d_ = layout(kCublasF32, kOut, kRows, kOut);
  }
  void TearDown() override {
    for (CublasLtLayout* made : layouts_) lt_.layout_destroy(made);
    lt_.preference_destroy(preference_);
    lt_.operation_destroy(operation_);
    lt_.destroy(context_);
  }

  CublasLtLayout* layout(int32_t type, uint64_t rows, uint64_t cols, int64_t stride) {
    CublasLtLayout* made = nullptr;
    EXPECT_EQ(lt_.layout_create(&made, type, rows, cols, stride), kCublasSuccess);
    layouts_.push_back(made);
    return made;
  }
  void allow_workspace(uint64_t bytes) {
    ASSERT_EQ(lt_.preference_set(preference_, kCublasLtMostWorkspace, &bytes, sizeof(bytes)),
              kCublasSuccess);
  }

  int32_t choose() {
    int32_t found = 0;
    const int32_t status =
        lt_.choose(context_, operation_, a_, b_, d_, d_, preference_, 1, &choice_, &found);
    EXPECT_EQ(found, status == kCublasSuccess ? 1 : 0);
    return status;
  }
  int32_t multiply(float beta = 0) { return multiply_into(y_->data(), room_->bytes(), beta); }
  int32_t multiply_into(float* y, size_t workspace_bytes, float beta = 0) {
    const float alpha = 1;
    return lt_.matmul(context_, operation_, &alpha, w_->data(), a_, x_->data(), b_, &beta, y, d_, y,
                      d_, &choice_.algorithm, room_->data(), workspace_bytes, *stream_);
  }

  const CublasLt& lt_ = cublas_lt();
  std::unique_ptr<TestStream> stream_;
  std::unique_ptr<DeviceVector<uint16_t>> w_, x_;
  std::unique_ptr<DeviceVector<float>> y_, room_;
  CublasLtContext* context_ = nullptr;
  CublasLtOperation* operation_ = nullptr;
  CublasLtPreference* preference_ = nullptr;
  CublasLtLayout *a_ = nullptr, *b_ = nullptr, *d_ = nullptr;
  std::vector<CublasLtLayout*> layouts_;
  CublasLtChoice choice_ = {};
};

TEST_F(CublasLtStandIn, Multiplies) {
  ASSERT_EQ(choose(), kCublasSuccess);
  EXPECT_EQ(choice_.workspace_bytes, room_->bytes());
  ASSERT_EQ(multiply(1), kCublasSuccess);
  EXPECT_THAT(y_->read(*stream_), Each(kIn + 2));
  EXPECT_THAT(room_->read(*stream_), Each(testing::IsNan()));
  const DeviceVector<float> bias(std::vector<float>(kOut, 0.25F), *stream_);
  const float* const pointer = bias.data();
  EXPECT_EQ(lt_.operation_set(operation_, kCublasLtEpilogue, &kCublasLtAddBias, 4), kCublasSuccess);
  EXPECT_EQ(lt_.operation_set(operation_, kCublasLtBiasPointer, &pointer, 8), kCublasSuccess);
  EXPECT_EQ(multiply(), kCublasInvalidValue);
  EXPECT_THAT(emulator_report(), HasSubstr("chosen for something else"));
  ASSERT_EQ(choose(), kCublasSuccess);
  ASSERT_EQ(multiply(), kCublasSuccess);
  EXPECT_THAT(y_->read(*stream_), Each(kIn + 0.25F));
  EXPECT_EQ(emulated_calls("cublasLtMatmul"), 3U);
}

TEST_F(CublasLtStandIn, ReadsNothingOfWhatItOverwrites) {
  const DeviceVector<float> unwritten(kNumbers);  // NaN
  ASSERT_EQ(choose(), kCublasSuccess);
  ASSERT_EQ(multiply_into(unwritten.data(), room_->bytes()), kCublasSuccess);
  EXPECT_THAT(unwritten.read(*stream_), Each(kIn));
}

TEST_F(CublasLtStandIn, RefusesAWrongLeadingDimension) {
  ASSERT_EQ(choose(), kCublasSuccess);
  CublasLtLayout* const right = a_;
  a_ = layout(kCublasBF16, kIn, kOut, kIn - 8);
  EXPECT_EQ(choose(), kCublasInvalidValue);
  EXPECT_EQ(multiply(), kCublasInvalidValue);
  EXPECT_EQ(emulator_report(), "A: leading dimension 8 of columns of 16");
  a_ = layout(kCublasBF16, kIn, kOut, kIn + 1);  // the library might, with its slow kernels
  EXPECT_EQ(choose(), kCublasNotSupported);
  a_ = layout(kCublasBF16, kIn + 8, kOut, kIn + 8);
  EXPECT_EQ(choose(), kCublasInvalidValue);
  EXPECT_THAT(emulator_report(), HasSubstr("A 24 x 8, B 16 x 20"));
  a_ = layout(kCublasF32, kIn, kOut, kIn);
  EXPECT_EQ(choose(), kCublasNotSupported);
  a_ = right;
  const int32_t as_it_is = 0;
  EXPECT_EQ(lt_.operation_set(operation_, kCublasLtTransposeA, &as_it_is, 4), kCublasSuccess);
  EXPECT_EQ(choose(), kCublasNotSupported);
}

TEST_F(CublasLtStandIn, RefusesForeignMemory) {
  ASSERT_EQ(choose(), kCublasSuccess);
  std::vector<float> host(kNumbers);
  EXPECT_EQ(multiply_into(host.data(), room_->bytes()), kCublasExecutionFailed);
  EXPECT_EQ(emulator_report(), "D: 640 bytes that are not all GPU 0's memory");
  EXPECT_EQ(multiply_into(y_->data() + 4, room_->bytes()), kCublasExecutionFailed);  // past its end
  EXPECT_EQ(emulator_report(), "D: 640 bytes that are not all GPU 0's memory");
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const DeviceVector<float> elsewhere(kNumbers);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(multiply_into(elsewhere.data(), room_->bytes()), kCublasExecutionFailed);
  const DeviceVector<float> longer(kNumbers + 2);
  EXPECT_EQ(multiply_into(longer.data() + 2, room_->bytes()), kCublasExecutionFailed);
  EXPECT_EQ(emulator_report(), "D: not at a multiple of 256 bytes");
  EXPECT_EQ(multiply(), kCublasSuccess);
}

TEST_F(CublasLtStandIn, RefusesASmallWorkspace) {
  ASSERT_EQ(choose(), kCublasSuccess);
  EXPECT_EQ(multiply_into(y_->data(), room_->bytes() - 1), kCublasInvalidValue);
  EXPECT_EQ(emulator_report(), "a workspace of 639 bytes for an algorithm that needs 640");
  allow_workspace(room_->bytes() - 1);
  ASSERT_EQ(choose(), kCublasSuccess);  // another, which needs none
  EXPECT_EQ(choice_.workspace_bytes, 0U);
  EXPECT_EQ(multiply_into(y_->data(), 0), kCublasSuccess);
  EXPECT_THAT(y_->read(*stream_), Each(kIn));
}

TEST_F(CublasLtStandIn, RefusesAnAlgorithmOfAnotherShape) {
  ASSERT_EQ(choose(), kCublasSuccess);
  b_ = layout(kCublasBF16, kIn, kRows - 1, kIn);
  d_ = layout(kCublasF32, kOut, kRows - 1, kOut);
  EXPECT_EQ(multiply(), kCublasInvalidValue);
  ASSERT_EQ(choose(), kCublasSuccess);
  EXPECT_EQ(multiply(), kCublasSuccess);
}

TEST_F(CublasLtStandIn, RefusesAnotherGpusStream) {
  ASSERT_EQ(choose(), kCublasSuccess);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(multiply(), kCublasInvalidValue);
  EXPECT_THAT(emulator_report(), HasSubstr("not the stream's GPU 0"));
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST_F(CublasLtStandIn, FailsWhenItIsToldTo) {
  ASSERT_EQ(choose(), kCublasSuccess);
  inject_failure({.call = "cublasLtMatmul", .after = 1, .error = cudaErrorUnknown});
  EXPECT_EQ(multiply(), kCublasSuccess);
  EXPECT_EQ(multiply(), kCublasExecutionFailed);
  inject_failure({.call = "kernel", .error = cudaErrorIllegalAddress});
  EXPECT_EQ(multiply(), kCublasSuccess);
  EXPECT_EQ(cudaStreamSynchronize(*stream_), cudaErrorIllegalAddress);
  EXPECT_EQ(multiply(), kCublasExecutionFailed);
  mend_emulated_machine();
}

TEST_F(CublasLtStandIn, IsCapturedIntoGraphs) {
  ASSERT_EQ(choose(), kCublasSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(*stream_, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(multiply(1), kCublasSuccess);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(*stream_, &graph), cudaSuccess);
  EXPECT_THAT(y_->read(*stream_), Each(2));
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaGraphLaunch(executable, *stream_), cudaSuccess);
  EXPECT_THAT(y_->read(*stream_), Each(3 * kIn + 2));
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

}  // namespace
}  // namespace tessera
