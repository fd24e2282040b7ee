#include "device/cuda_device.h"

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "device/measure_link.h"
#include "tests/device/cuda_devices.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

using CudaDevice = EmulatedGpus;

std::vector<uint32_t> counting(size_t count) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), 1);
  return values;
}

TEST_F(CudaDevice, CardsAreFoundAndDescribed) {
  const std::vector<CudaCard> cards = find_cuda_cards();
  ASSERT_EQ(cards.size(), 3U);
  EXPECT_EQ(cards[2].index, 2);
  EXPECT_EQ(cards[2].name, "Emulated GPU");
  EXPECT_EQ(cards[2].uuid, "GPU-00000000-0000-0000-0000-000000000003");
  EXPECT_EQ(cards[2].memory_bytes, 64 * kMiB);
  EXPECT_EQ(cards[2].capability, 86);
  EXPECT_GT(cards[2].processors, 0);
  hold_emulated_memory(2, 24 * kMiB);
  EXPECT_EQ(free_cuda_bytes(2), 40 * kMiB);
}

TEST_F(CudaDevice, AMachineWithoutCardsHasNone) {
  set_up_emulated_machine({.gpus = 0});
  EXPECT_TRUE(find_cuda_cards().empty());
}

TEST_F(CudaDevice, BooksWhatItTakesFromTheCard) {
  const uint64_t before = free_cuda_bytes(0);
  {
    const auto device = open_gpu();
    const uint64_t workspaces = kCudaWorkspaces * cuda_workspace_bytes(16 * kMiB);
    EXPECT_EQ(workspaces, 3 * 256 * kKiB);
    EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kFixed), workspaces);
    EXPECT_EQ(before - free_cuda_bytes(0), workspaces);
    const DeviceBuffer buffer = device->allocate(513, MemoryKind::kWeights, "layer 0");
    EXPECT_EQ(buffer.bytes(), 1024U);
    EXPECT_EQ(before - free_cuda_bytes(0), device->ledger().used_bytes());
    EXPECT_THAT(error_of([&] { device->allocate(16 * kMiB, MemoryKind::kKv, "layer 1"); }),
                StartsWith("cuda:0: kv of layer 1: expected at most 15.2 MiB"));
  }
  EXPECT_EQ(free_cuda_bytes(0), before);
}

TEST_F(CudaDevice, WorkspacesFollowTheBudgetWithinLimits) {
  EXPECT_EQ(cuda_workspace_bytes(kMiB), 256 * kKiB);
  EXPECT_EQ(cuda_workspace_bytes(256 * kMiB), kMiB);
  EXPECT_EQ(cuda_workspace_bytes(80 * kGiB), 32 * kMiB);
}

TEST_F(CudaDevice, AFullCardSaysWhoHoldsIt) {
  const auto device = open_gpu(0, 60 * kMiB);
  const DeviceBuffer own = device->allocate(8 * kMiB, MemoryKind::kWeights, "layer 0");
  hold_emulated_memory(0, 40 * kMiB);
  const std::string line =
      error_of([&] { device->allocate(20 * kMiB, MemoryKind::kWeights, "layer 1"); });
  EXPECT_THAT(line, StartsWith("cuda:0: weights of layer 1: expected 20.0 MiB of the card's "
                               "memory, which is within the device's 60.0 MiB"));
  EXPECT_THAT(line, AllOf(HasSubstr("15.2 MiB free of 64.0 MiB"),
                          HasSubstr("8.8 MiB are this device's"), HasSubstr("40.0 MiB others'")));
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 8 * kMiB);
  hold_emulated_memory(0, 0);  // and the device goes on
  EXPECT_EQ(device->allocate(20 * kMiB, MemoryKind::kWeights, "layer 1").bytes(), 20 * kMiB);
}

TEST_F(CudaDevice, AFullCardTellsItsOwnSharesFromOtherPrograms) {
  const auto bytes = std::make_shared<CudaCardBytes>(0);
  const auto share = [&](const char* name) {
    return open_cuda_device(0, {.name = name, .budget_bytes = 30 * kMiB}, bytes);
  };
  const auto first = share("cuda:0.0"), second = share("cuda:0.1");
  const auto both = [&] { return first->ledger().used_bytes() + second->ledger().used_bytes(); };
  EXPECT_EQ(*bytes, both());
  first->allocate(5 * kMiB, MemoryKind::kKv, "layer 0");  // and gives it back
  EXPECT_EQ(*bytes, both());
  const DeviceBuffer own = first->allocate(24 * kMiB, MemoryKind::kWeights, "layer 0");
  hold_emulated_memory(0, 30 * kMiB);
  second->ledger().set_planned({20 * kMiB, 2 * kMiB, 0, kMiB});
  const std::string line =
      error_of([&] { second->allocate(20 * kMiB, MemoryKind::kWeights, "layer 1"); });
  EXPECT_THAT(line, AllOf(StartsWith("cuda:0.1: weights of layer 1: "),
                          HasSubstr("planned are weights 20.0 MiB, kv 2.0 MiB, fixed 1.0 MiB"),
                          HasSubstr("768 KiB are this device's, 24.8 MiB other devices' of this "
                                    "process, 30.0 MiB others'")));
}

TEST_F(CudaDevice, WritesAndReadsFromAnyThread) {
  const auto device = open_gpu();
  const std::vector<uint32_t> values = counting(100'003);
  const DeviceBuffer buffer = upload(*device, values);
  EXPECT_EQ(download<uint32_t>(*device, buffer, values.size()), values);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const DeviceBuffer own = upload(*device, std::vector<int>(5000, t));
      EXPECT_EQ(download<int>(*device, own, 5000), std::vector<int>(5000, t));
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CudaDevice, AdoptsAFileByCopyingIt) {
  const TempFolder folder;
  const auto device = open_gpu();
  MappedFile file = MappedFile::open(folder.write("weights", std::string(5000, 'w')));
  const DeviceBuffer buffer =
      device->adopt(std::move(file), 64, 4000, MemoryKind::kWeights, "layer 0");
  EXPECT_EQ(download<char>(*device, buffer, 4000), std::vector<char>(4000, 'w'));
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 4096U);
}

TEST_F(CudaDevice, ItsHostMemoryIsPinned) {
  const auto device = open_gpu();
  const HostBuffer buffer = device->allocate_host(1000);
  EXPECT_EQ(buffer.as<int>().size(), 250U);
  cudaPointerAttributes attributes = {};
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, buffer.data()), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  EXPECT_EQ(device->allocate_host(0).data(), nullptr);
}

TEST_F(CudaDevice, SharesOfOneCardAreDevicesOfTheirOwn) {
  const auto a = open_cuda_device(1, {.name = "cuda:1.0", .budget_bytes = 20 * kMiB});
  const auto b = open_cuda_device(1, {.name = "cuda:1.1", .budget_bytes = 10 * kMiB});
  const DeviceBuffer held = a->allocate(19 * kMiB, MemoryKind::kWeights, "layer 0");
  EXPECT_THAT(error_of([&] { b->allocate(11 * kMiB, MemoryKind::kWeights, "layer 1"); }),
              StartsWith("cuda:1.1: weights of layer 1: expected at most 9.2 MiB"));
  const DeviceBuffer other = b->allocate(9 * kMiB, MemoryKind::kWeights, "layer 1");
  EXPECT_EQ(free_cuda_bytes(1), 64 * kMiB - a->ledger().used_bytes() - b->ledger().used_bytes());
}

TEST_F(CudaDevice, ACardThatIsNotThereIsAnError) {
  EXPECT_THAT(error_of([] { open_gpu(3); }), StartsWith("cuda:3: "));
}

TEST_F(CudaDevice, ALostCardLosesItsDevicesAndNoOthers) {
  const auto lost = open_gpu(1), whole = open_gpu(0);
  const std::vector<uint32_t> values = counting(1000);
  const DeviceBuffer there = upload(*lost, values), here = upload(*whole, values);
  std::optional<DeviceBuffer> given_back = upload(*lost, values);
  const HostBuffer pinned = lost->allocate_host(4096);
  const auto stream = lost->open_stream("compute"), other = whole->open_stream("compute");
  const auto event = lost->make_event(), own = whole->make_event();
  stream->record(*event);
  stream->synchronize();

  break_emulated_gpu(1, cudaErrorECCUncorrectable);
  stream->copy(there.data(), lost.get(), there.data(), lost.get(), 16);
  const std::string line = error_of([&] { stream->synchronize(); });
  EXPECT_THAT(line, AllOf(StartsWith("cuda:1: "), HasSubstr("ECC")));
  EXPECT_EQ(error_of([&] { stream->check(); }), line);
  EXPECT_EQ(error_of([&] { lost->allocate(1, MemoryKind::kKv, "kv"); }), line);
  EXPECT_EQ(error_of([&] { lost->allocate_host(1); }), line);
  EXPECT_EQ(error_of([&] { lost->open_stream("another"); }), line);
  EXPECT_EQ(error_of([&] { lost->make_event(); }), line);
  EXPECT_EQ(error_of([&] { event->synchronize(); }), line);
  EXPECT_EQ(error_of([&] { download<uint32_t>(*lost, there, 10); }), line);

  const uint64_t freed = emulated_calls("cudaFree");
  given_back.reset();
  EXPECT_EQ(emulated_calls("cudaFree"), freed);  // it went with the card

  // What waits for it is broken by the same Error; what does not goes on.
  const auto waiting = whole->open_stream("waiting");
  waiting->wait(*event);
  EXPECT_EQ(error_of([&] { waiting->synchronize(); }), line);
  other->copy(here.data(), whole.get(), here.data(), whole.get(), 16);
  other->record(*own);
  other->synchronize();
  EXPECT_EQ(download<uint32_t>(*whole, here, 1000), values);
}

TEST_F(CudaDevice, AnErrorOfOneCallLeavesTheCardWhole) {
  const auto device = open_gpu();
  const DeviceBuffer buffer = upload(*device, counting(100));
  const auto stream = device->open_stream("compute");
  inject_failure({.call = "cudaMemcpyAsync", .gpu = 0, .error = cudaErrorInvalidValue});
  stream->copy(buffer.data(), device.get(), buffer.data(), device.get(), 16);
  EXPECT_THAT(error_of([&] { stream->synchronize(); }),
              AllOf(StartsWith("cuda:0: a copy: "), HasSubstr("cudaErrorInvalidValue")));
  EXPECT_EQ(download<uint32_t>(*device, buffer, 100), counting(100));
  device->open_stream("another")->synchronize();
}

TEST_F(CudaDevice, ALinkIsMeasuredInEachDirection) {
  set_emulated_link(0, 1, 2e9);
  set_emulated_link(1, 0, 3e9);
  set_emulated_link(-1, 0, 5e9);
  const auto a = open_gpu(0), b = open_gpu(1);
  EXPECT_NEAR(measure_link(a.get(), b.get()).bytes_per_s, 2e9, 0.1e9);
  EXPECT_NEAR(measure_link(b.get(), a.get()).bytes_per_s, 3e9, 0.1e9);
  EXPECT_NEAR(measure_link(nullptr, a.get()).bytes_per_s, 5e9, 0.1e9);
  EXPECT_NEAR(measure_link(a.get(), nullptr).bytes_per_s, 12e9, 0.6e9);
  EXPECT_NEAR(measure_link(a.get(), b.get()).latency_s, 5e-6 + 4096 / 2e9, 1e-6);
}

}  // namespace
}  // namespace tessera
