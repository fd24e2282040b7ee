#include <gmock/gmock.h>

#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"
#include "tests/cuda_emulator/words_kernels.h"

namespace tessera {
namespace {

using testing::HasSubstr;

using Launches = EmulatedMachineTest;

TEST_F(Launches, OfShapesThatAGpuTakes) {
  const TestStream stream;
  const DeviceVector<unsigned> out(1024);
  for (const dim3 block : {dim3(1025), dim3(0), dim3(1, 1, 65), dim3(32, 33)})
    EXPECT_EQ(launch_indices(1, block, out.data(), stream), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_indices(dim3(0), 1, out.data(), stream), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_indices(dim3(1, 65536), 1, out.data(), stream), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_indices(1, 1024, out.data(), stream), cudaSuccess);
  stream.synchronize();
}

TEST_F(Launches, WithMoreThan48KiBOfSharedMemoryAreAskedFor) {
  const TestStream stream;
  const DeviceVector<int> out(64);
  EXPECT_EQ(launch_dynamic_shared(48 << 10, 64, out.data(), stream), cudaSuccess);
  EXPECT_EQ(launch_dynamic_shared((48 << 10) + 1, 64, out.data(), stream), cudaErrorInvalidValue);
  EXPECT_THAT(emulator_report(), HasSubstr("49152 are allowed: see allow_dynamic_shared"));
  EXPECT_EQ(allow_for_dynamic_shared((99 << 10) + 1), cudaErrorInvalidValue);
  EXPECT_EQ(allow_for_dynamic_shared(99 << 10), cudaSuccess);
  EXPECT_EQ(launch_dynamic_shared(99 << 10, 64, out.data(), stream), cudaSuccess);
  EXPECT_EQ(out.read(stream)[0], 63);
}

TEST_F(Launches, HaveAtMost48KiBOfStaticSharedMemory) {
  const TestStream stream;
  const DeviceVector<int> out(32);
  ASSERT_EQ(launch_large_static_shared(out.data(), stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  EXPECT_THAT(emulator_report(), HasSubstr("more than 48 KiB of shared memory"));
  mend_emulated_machine();
}

TEST_F(Launches, AreOnTheCurrentGpu) {
  const TestStream stream;
  const DeviceVector<int> data(8);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(launch_with_pointers(data.data(), data.data(), stream), cudaErrorInvalidResourceHandle);
  EXPECT_THAT(emulator_report(), HasSubstr("stream of GPU 0 while GPU 1 is current"));
}

TEST_F(Launches, TakePointersToOwnOrPinnedOrPeersMemory) {
  const TestStream stream;
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const DeviceVector<int> there(8);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  const DeviceVector<int> here(8);
  std::vector<int> pageable(8);
  EXPECT_EQ(launch_with_pointers(pageable.data(), here.data(), stream), cudaErrorIllegalAddress);
  EXPECT_EQ(launch_with_pointers(there.data(), here.data(), stream), cudaErrorIllegalAddress);
  EXPECT_THAT(emulator_report(),
              HasSubstr("pointer argument 0 of a kernel on GPU 0 is GPU 1's memory"));

  void* const host = pinned(32);
  EXPECT_EQ(launch_with_pointers(static_cast<int*>(host), here.data(), stream), cudaSuccess);
  ASSERT_EQ(cudaDeviceEnablePeerAccess(1, 0), cudaSuccess);
  EXPECT_EQ(launch_with_pointers(there.data(), here.data(), stream), cudaSuccess);
  stream.synchronize();
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
}

using Peers = EmulatedMachineTest;

TEST_F(Peers, AreEnabledOnceAndInOneDirection) {
  int can = -1;
  EXPECT_EQ(cudaDeviceCanAccessPeer(&can, 0, 1), cudaSuccess);
  EXPECT_EQ(can, 1);
  EXPECT_EQ(cudaDeviceCanAccessPeer(&can, 0, 0), cudaSuccess);
  EXPECT_EQ(can, 0);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(0, 0), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(1, 0), cudaSuccess);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(1, 0), cudaErrorPeerAccessAlreadyEnabled);
  EXPECT_EQ(cudaDeviceDisablePeerAccess(1), cudaSuccess);
  EXPECT_EQ(cudaDeviceDisablePeerAccess(1), cudaErrorPeerAccessNotEnabled);
}

TEST_F(Peers, MayBeOutOfReach) {
  forbid_emulated_peer(0, 2);
  int can = -1;
  EXPECT_EQ(cudaDeviceCanAccessPeer(&can, 0, 2), cudaSuccess);
  EXPECT_EQ(can, 0);
  EXPECT_EQ(cudaDeviceEnablePeerAccess(2, 0), cudaErrorPeerAccessUnsupported);
}

}  // namespace
}  // namespace tessera
