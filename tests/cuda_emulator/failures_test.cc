#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tessera/error.h"
#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"
#include "tests/cuda_emulator/planted_bugs.h"
#include "tests/cuda_emulator/words_kernels.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

using Failures = EmulatedMachineTest;

TEST_F(Failures, AreInjectedIntoACallOfAGpu) {
  inject_failure({.call = "cudaMalloc", .gpu = 1, .after = 1, .error = cudaErrorMemoryAllocation});
  void* data = allocated(64);  // GPU 0
  EXPECT_EQ(cudaFree(data), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  void* const first = allocated(64);
  EXPECT_EQ(cudaMalloc(&data, 64), cudaErrorMemoryAllocation);
  void* const third = allocated(64);  // only one fails
  EXPECT_EQ(cudaFree(first), cudaSuccess);
  EXPECT_EQ(cudaFree(third), cudaSuccess);
}

TEST_F(Failures, OfAGpuLast) {
  const TestStream stream;
  const DeviceVector<int> data(std::vector<int>(8), stream);
  break_emulated_gpu(0, cudaErrorECCUncorrectable);
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 8), cudaErrorECCUncorrectable);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorECCUncorrectable);
  EXPECT_EQ(launch_with_pointers(data.data(), data.data(), stream), cudaErrorECCUncorrectable);
  EXPECT_EQ(cudaGetLastError(), cudaErrorECCUncorrectable);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorECCUncorrectable);  // still
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&more, 8), cudaSuccess);  // the others go on
  EXPECT_EQ(cudaFree(more), cudaSuccess);
  mend_emulated_machine();
}

TEST_F(Failures, OfAKernelShowLaterAndLast) {
  set_up(ThreadOrder::kReverse);  // nothing runs before somebody waits
  const TestStream stream;
  const DeviceVector<int> data(std::vector<int>(8, 3), stream);
  inject_failure({.call = "kernel", .gpu = 0, .error = cudaErrorIllegalAddress});
  EXPECT_EQ(launch_with_pointers(data.data(), data.data(), stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaMemsetAsync(data.data(), 0, 4, stream), cudaErrorIllegalAddress);
  mend_emulated_machine();
  EXPECT_EQ(data.read(stream)[0], 3);
}

TEST_F(Failures, LetWhatFollowsPassUnrun) {
  set_up(ThreadOrder::kReverse);
  const TestStream stream;
  const DeviceVector<int> data(std::vector<int>(8, 3), stream);
  inject_failure({.call = "kernel", .gpu = 0, .error = cudaErrorLaunchFailure});
  EXPECT_EQ(launch_with_pointers(data.data(), data.data(), stream), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(data.data(), 0, 32, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  mend_emulated_machine();
  EXPECT_EQ(data.read(stream)[0], 3);
}

TEST_F(Failures, BecomeErrorsWithTheirReason) {
  EXPECT_EQ(error_of([] {
              void* data = nullptr;
              cuda_check(cudaMalloc(&data, kGpuBytes + 1), "cuda:0", "allocate 1 MiB");
            }),
            "cuda:0: allocate 1 MiB: found out of memory (cudaErrorMemoryAllocation) (something "
            "else may hold memory of this GPU: see nvidia-smi)");
}

TEST_F(Failures, OfTheProgramNameTheirPlace) {
  const TestStream stream;
  const DeviceVector<float> x(std::vector<float>(kPlantedThreads), stream), out(kPlantedThreads);
  for (const PlantedBug& bug : planted_kernel_bugs())
    if (bug.name == "lane_has_left") bug.run(x.data(), out.data(), stream);
  const std::string error = error_of([&] { stream.synchronize(); });
  EXPECT_THAT(error, HasSubstr("97 threads (first 5, last 127) have exited"));
  EXPECT_THAT(error, HasSubstr("planted_kernel_bugs.cu:"));
  EXPECT_THAT(error, HasSubstr("in block (0,0,0)"));
  mend_emulated_machine();
}

TEST_F(Failures, OfAStepAreForgottenInTheNext) {
  const TestStream stream;
  const DeviceVector<float> x(std::vector<float>(kPlantedThreads, 1), stream), out(kPlantedThreads);
  for (const PlantedBug& bug : planted_kernel_bugs())
    if (bug.name == "another_collective") bug.run(x.data(), out.data(), stream);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  mend_emulated_machine();
  const DeviceVector<unsigned> indices(64);
  run_indices(1, 64, indices.data(), stream);
  EXPECT_EQ(indices.read(stream)[63], 63u);
}

using Setting = EmulatedMachineTest;

TEST_F(Setting, OfNoGpus) {
  set_up_emulated_machine({.gpus = 0});
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(cudaSetDevice(0), cudaErrorInvalidDevice);
}

TEST_F(Setting, FromTheEnvironment) {
  ::setenv("TESSERA_EMULATED_GPUS", "2x64MiB", 1);
  ::setenv("TESSERA_EMULATED_ORDER", "random:77", 1);
  const EmulatedMachine machine = emulated_machine_of_environment();
  EXPECT_EQ(machine.gpus, 2);
  EXPECT_EQ(machine.gpu_bytes, 64u << 20);
  EXPECT_EQ(machine.order, ThreadOrder::kRandom);
  EXPECT_EQ(machine.seed, 77u);
  for (const char* wrong : {"", "3", "x1GiB", "3x", "17x1GiB", "-1x1GiB"}) {
    ::setenv("TESSERA_EMULATED_GPUS", wrong, 1);
    EXPECT_THROW((void)emulated_machine_of_environment(), UsageError) << wrong;
  }
  ::unsetenv("TESSERA_EMULATED_GPUS");
  ::setenv("TESSERA_EMULATED_ORDER", "sideways", 1);
  EXPECT_THROW((void)emulated_machine_of_environment(), UsageError);
  ::unsetenv("TESSERA_EMULATED_ORDER");
  EXPECT_EQ(emulated_machine_of_environment().gpus, 3);
}

TEST_F(Setting, IsToldAsProperties) {
  int count = 0;
  ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 3);
  cudaDeviceProp first, second;
  ASSERT_EQ(cudaGetDeviceProperties(&first, 0), cudaSuccess);
  ASSERT_EQ(cudaGetDeviceProperties(&second, 1), cudaSuccess);
  EXPECT_EQ(first.totalGlobalMem, kGpuBytes);
  EXPECT_NE(first.uuid.bytes[15], second.uuid.bytes[15]);
  EXPECT_NE(first.pciBusID, second.pciBusID);
  int processors = 0, unknown = 0;
  EXPECT_EQ(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 2), cudaSuccess);
  EXPECT_EQ(processors, first.multiProcessorCount);
  EXPECT_EQ(cudaDeviceGetAttribute(&unknown, cudaDevAttrMaxTexture2DWidth, 0),
            cudaErrorNotSupported);
  EXPECT_EQ(cudaGetDeviceProperties(&first, 3), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
}

}  // namespace
}  // namespace tessera
