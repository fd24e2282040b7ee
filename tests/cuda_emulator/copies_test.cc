#include <gmock/gmock.h>

#include <cstring>
#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"

namespace tessera {
namespace {

using testing::Each;
using testing::HasSubstr;

using Copies = EmulatedMachineTest;

constexpr size_t kBytes = 256;

std::vector<char> filled(char value) {
  return std::vector<char>(kBytes, value);
}

TEST_F(Copies, ThereAndBack) {
  const TestStream stream;
  const DeviceVector<char> a(filled(7), stream), b(kBytes);
  ASSERT_EQ(cudaMemcpyAsync(b.data(), a.data(), kBytes, cudaMemcpyDeviceToDevice, stream),
            cudaSuccess);
  EXPECT_THAT(b.read(stream), Each(7));
}

TEST_F(Copies, OfPageableMemoryReadItAtTheCall) {
  set_up(ThreadOrder::kReverse);  // runs nothing before somebody waits
  const TestStream stream;
  const DeviceVector<char> device(kBytes);
  std::vector<char> host = filled(1);
  ASSERT_EQ(cudaMemcpyAsync(device.data(), host.data(), kBytes, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  host = filled(2);
  EXPECT_THAT(device.read(stream), Each(1));
}

TEST_F(Copies, OfPinnedMemoryReadItWhenTheyRun) {
#ifdef TESSERA_UNDER_TSAN
  GTEST_SKIP() << "ThreadSanitizer sees the race that shows it";
#endif
  set_up(ThreadOrder::kReverse);
  const TestStream stream;
  const DeviceVector<char> device(kBytes);
  void* const host = pinned(kBytes);
  std::memset(host, 1, kBytes);
  ASSERT_EQ(cudaMemcpyAsync(device.data(), host, kBytes, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  std::memset(host, 2, kBytes);  // too early
  EXPECT_THAT(device.read(stream), Each(2));
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
}

TEST_F(Copies, ToPageableMemoryAreDoneAtTheCall) {
  set_up(ThreadOrder::kReverse);
  const TestStream stream;
  const DeviceVector<char> device(filled(5), stream);
  std::vector<char> host(kBytes);
  ASSERT_EQ(cudaMemcpyAsync(host.data(), device.data(), kBytes, cudaMemcpyDeviceToHost, stream),
            cudaSuccess);
  EXPECT_THAT(host, Each(5));
}

TEST_F(Copies, StayWithinAnAllocation) {
  const TestStream stream;
  const DeviceVector<char> a(kBytes), b(kBytes);
  std::vector<char> host(2 * kBytes);
  EXPECT_EQ(cudaMemcpyAsync(a.data(), host.data(), kBytes + 1, cudaMemcpyHostToDevice, stream),
            cudaErrorInvalidValue);
  EXPECT_THAT(emulator_report(), HasSubstr("beyond the end of an allocation"));
  EXPECT_EQ(cudaMemcpyAsync(host.data(), a.data() + 1, kBytes, cudaMemcpyDeviceToHost, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(b.data() + 8, a.data(), kBytes, cudaMemcpyDeviceToDevice, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(a.data() + 1, 0, kBytes, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(host.data(), 0, kBytes, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(nullptr, nullptr, 0, cudaMemcpyDeviceToDevice, stream), cudaSuccess);
}

TEST_F(Copies, GoWhereTheirKindSays) {
  const TestStream stream;
  const DeviceVector<char> device(kBytes);
  std::vector<char> host(kBytes);
  for (const cudaMemcpyKind kind :
       {cudaMemcpyHostToHost, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice})
    EXPECT_EQ(cudaMemcpyAsync(device.data(), host.data(), kBytes, kind, stream),
              cudaErrorInvalidValue);
  EXPECT_THAT(emulator_report(), HasSubstr("copy of kind 3"));
  EXPECT_EQ(cudaMemcpyAsync(device.data(), host.data(), kBytes, cudaMemcpyDefault, stream),
            cudaSuccess);
}

TEST_F(Copies, BetweenGpusNameThem) {
  const TestStream stream;
  const DeviceVector<char> here(filled(3), stream);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const DeviceVector<char> there(kBytes);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(cudaMemcpyPeerAsync(there.data(), 2, here.data(), 0, kBytes, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyPeerAsync(there.data(), 1, here.data(), 1, kBytes, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyPeerAsync(there.data(), 1, here.data(), 0, kBytes, stream), cudaSuccess);
  EXPECT_THAT(there.read(stream), Each(3));
}

}  // namespace
}  // namespace tessera
