#include <gmock/gmock.h>

#include <cstring>
#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/example_kernels.h"
#include "tests/cuda_emulator/machine_fixture.h"

namespace tessera {
namespace {

using testing::Each;

class Graphs : public EmulatedMachineTest {
 protected:
  static void begin(cudaStream_t stream) {
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  }
  static cudaGraphExec_t instantiated(cudaGraph_t graph) {
    cudaGraphExec_t executable = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return executable;
  }
};

constexpr int kCount = 100;

TEST_F(Graphs, RunWhatWasCapturedEachTime) {
  const TestStream stream;
  const DeviceVector<float> x(std::vector<float>(kCount, 1), stream);
  const DeviceVector<float> sum(std::vector<float>(kCount, 0), stream);
  stream.synchronize();
  begin(stream);
  add_vectors(x.data(), sum.data(), sum.data(), kCount, stream);
  ASSERT_EQ(cudaMemcpyAsync(x.data(), sum.data(), x.bytes(), cudaMemcpyDeviceToDevice, stream),
            cudaSuccess);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_THAT(sum.read(stream), Each(0));  // nothing has run yet
  const cudaGraphExec_t executable = instantiated(graph);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
  EXPECT_THAT(sum.read(stream), Each(8));  // 1, 2, 4, 8
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
}

TEST_F(Graphs, ForkAndJoinByEvents) {
  const TestStream first, second;
  const DeviceVector<float> x(std::vector<float>(kCount, 1), first), doubled(kCount), out(kCount);
  first.synchronize();
  cudaEvent_t fork = nullptr, join = nullptr;
  ASSERT_EQ(cudaEventCreate(&fork), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&join), cudaSuccess);
  begin(first);
  ASSERT_EQ(cudaEventRecord(fork, first), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second, fork, 0), cudaSuccess);
  add_vectors(x.data(), x.data(), doubled.data(), kCount, second);
  ASSERT_EQ(cudaEventRecord(join, second), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first, join, 0), cudaSuccess);
  add_vectors(doubled.data(), doubled.data(), out.data(), kCount, first);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  EXPECT_EQ(cudaStreamIsCapturing(second, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(first, &graph), cudaSuccess);
  EXPECT_EQ(cudaStreamIsCapturing(second, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  const cudaGraphExec_t executable = instantiated(graph);
  ASSERT_EQ(cudaGraphLaunch(executable, first), cudaSuccess);
  EXPECT_THAT(out.read(first), Each(4));
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(fork), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(join), cudaSuccess);
}

TEST_F(Graphs, AreRefusedWhenAStreamIsNotJoined) {
  const TestStream first, second;
  const DeviceVector<float> x(std::vector<float>(kCount, 1), first), out(kCount);
  first.synchronize();
  cudaEvent_t fork = nullptr;
  ASSERT_EQ(cudaEventCreate(&fork), cudaSuccess);
  begin(first);
  ASSERT_EQ(cudaEventRecord(fork, first), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second, fork, 0), cudaSuccess);
  add_vectors(x.data(), x.data(), out.data(), kCount, second);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(first, &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(graph, nullptr);
  EXPECT_EQ(cudaEventDestroy(fork), cudaSuccess);
}

TEST_F(Graphs, CaptureNeitherWaitsNorAllocationsNorPageableCopies) {
  const TestStream stream;
  const DeviceVector<float> x(kCount);
  std::vector<float> pageable(kCount);
  const auto breaks = [&](const auto& call) {
    begin(stream);
    EXPECT_EQ(call(), cudaErrorStreamCaptureUnsupported);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  };
  breaks([&] { return cudaStreamSynchronize(stream); });
  breaks([&] { return cudaStreamQuery(stream); });
  breaks([&] {
    return cudaMemcpyAsync(x.data(), pageable.data(), x.bytes(), cudaMemcpyHostToDevice, stream);
  });
  breaks([&] {
    void* data = nullptr;
    return cudaMalloc(&data, 8);
  });
}

TEST_F(Graphs, CaptureNoEventsFromOutside) {
  const TestStream stream, other;
  cudaEvent_t outside = nullptr, inside = nullptr;
  ASSERT_EQ(cudaEventCreate(&outside), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&inside), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(outside, other), cudaSuccess);
  begin(stream);
  ASSERT_EQ(cudaEventRecord(inside, stream), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(inside), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaStreamWaitEvent(stream, outside, 0), cudaErrorStreamCaptureIsolation);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
  EXPECT_EQ(cudaEventDestroy(outside), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(inside), cudaSuccess);
}

}  // namespace
}  // namespace tessera
