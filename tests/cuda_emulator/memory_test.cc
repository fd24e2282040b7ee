#include <cmath>
#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"

namespace tessera {
namespace {

using Memory = EmulatedMachineTest;

TEST_F(Memory, AllocationsAreChargedIn512Bytes) {
  void* const one = allocated(1);
  EXPECT_EQ(free_bytes(), kGpuBytes - 512);
  void* const two = allocated(513);
  EXPECT_EQ(free_bytes(), kGpuBytes - 512 - 1024);
  EXPECT_EQ(cudaFree(one), cudaSuccess);
  EXPECT_EQ(cudaFree(two), cudaSuccess);
  EXPECT_EQ(free_bytes(), kGpuBytes);
}

TEST_F(Memory, EndsWithTheGpusMemory) {
  void* const most = allocated(kGpuBytes);
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);  // another GPU has its own
  EXPECT_EQ(cudaMalloc(&more, 1), cudaSuccess);
  EXPECT_EQ(cudaFree(more), cudaSuccess);
  EXPECT_EQ(cudaFree(most), cudaSuccess);
}

TEST_F(Memory, OthersMayHoldSome) {
  hold_emulated_memory(0, kGpuBytes - 1024);
  EXPECT_EQ(free_bytes(), 1024u);
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, 1025), cudaErrorMemoryAllocation);
  hold_emulated_memory(0, 2 * kGpuBytes);
  EXPECT_EQ(free_bytes(), 0u);
}

TEST_F(Memory, IsNanUntilWritten) {
  const TestStream stream;
  const DeviceVector<float> values(100);
  for (const float value : values.read(stream)) EXPECT_TRUE(std::isnan(value));
}

TEST_F(Memory, OfTheHostIsPinnedAndSeenByGpus) {
  void* const host = pinned(100);
  void* device = nullptr;
  EXPECT_EQ(cudaHostGetDevicePointer(&device, host, 0), cudaSuccess);
  EXPECT_EQ(device, host);
  cudaPointerAttributes attributes;
  EXPECT_EQ(cudaPointerGetAttributes(&attributes, host), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
  EXPECT_EQ(cudaPointerGetAttributes(&attributes, host), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
  EXPECT_EQ(cudaHostGetDevicePointer(&device, host, 0), cudaErrorInvalidValue);
}

TEST_F(Memory, OfTheHostIsRegisteredOnce) {
  char memory[64] = {};
  void* device = nullptr;
  EXPECT_EQ(cudaHostRegister(memory, sizeof(memory), cudaHostRegisterDefault), cudaSuccess);
  EXPECT_EQ(cudaHostGetDevicePointer(&device, memory, 0), cudaSuccess);
  EXPECT_EQ(cudaHostRegister(memory, 1, 0), cudaErrorHostMemoryAlreadyRegistered);
  EXPECT_EQ(cudaFreeHost(memory), cudaErrorInvalidValue);
  EXPECT_EQ(cudaHostUnregister(memory), cudaSuccess);
  EXPECT_EQ(cudaHostUnregister(memory), cudaErrorHostMemoryNotRegistered);
}

TEST_F(Memory, IsFreedByWhoeverGaveIt) {
  void* const device = allocated(64);
  void* const host = pinned(64);
  EXPECT_EQ(cudaFree(host), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(device), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(static_cast<char*>(device) + 8), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  EXPECT_EQ(cudaFree(device), cudaSuccess);
  EXPECT_EQ(cudaFree(device), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
}

TEST_F(Memory, IsFreedOnceTheGpuIsDoneWithIt) {
  set_up(ThreadOrder::kReverse);  // a GPU that is far behind
  const TestStream stream;
  void* const data = allocated(64);
  void* const host = pinned(64);
  ASSERT_EQ(cudaMemsetAsync(data, 1, 64, stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(host, data, 64, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  ASSERT_EQ(cudaFree(data), cudaSuccess);
  EXPECT_EQ(static_cast<char*>(host)[63], 1);
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
}

TEST_F(Memory, OfAGpuIsNotTheHostsToTouch) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  auto* const data = static_cast<volatile char*>(allocated(64));
  EXPECT_DEATH((void)data[0], "");
  const TestStream stream;
  ASSERT_EQ(cudaMemsetAsync(const_cast<char*>(data), 1, 64, stream), cudaSuccess);
  stream.synchronize();
  // The GPU may take a moment to come to rest.
  EXPECT_DEATH(for (int i = 0; i < 1'000'000'000; ++i)(void) data[0], "");
}

TEST_F(Memory, TypeOfAPointer) {
  ASSERT_EQ(cudaSetDevice(2), cudaSuccess);
  void* const data = allocated(64);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  cudaPointerAttributes attributes;
  EXPECT_EQ(cudaPointerGetAttributes(&attributes, data), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes.device, 2);
  EXPECT_EQ(cudaFree(data), cudaSuccess);
}

}  // namespace
}  // namespace tessera
