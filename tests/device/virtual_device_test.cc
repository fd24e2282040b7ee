#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/units.h"
#include "device/device.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(VirtualDevice, RoundsEachBufferUpToTheGranuleAndBooksIt) {
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 1000});
  DeviceBuffer a = device->allocate(1, MemoryKind::kWeights, "a");
  EXPECT_EQ(a.bytes(), 64U);
  EXPECT_EQ(a.device(), device.get());
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 64U);
  const DeviceBuffer none = device->allocate(0, MemoryKind::kWeights, "none");
  EXPECT_EQ(none.data(), nullptr);
  {
    const DeviceBuffer b = device->allocate(896, MemoryKind::kKv, "b");
    EXPECT_EQ(device->ledger().used_bytes(), 960U);
    EXPECT_THAT(error_of([&] { device->allocate(41, MemoryKind::kArena, "c"); }),
                StartsWith("cpu:0: arena of c: expected at most 40 B"));
  }
  DeviceBuffer moved = std::move(a);
  EXPECT_EQ(device->ledger().used_bytes(), 64U);
  moved = device->allocate(128, MemoryKind::kKv, "d");  // frees what it held
  EXPECT_EQ(device->ledger().used_bytes(), 128U);
  EXPECT_EQ(device->ledger().peak_bytes(), 960U);
}

TEST(VirtualDevice, GivesAlignedMemoryOfEverySize) {
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = kGiB});
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{4096}, 128 * kKiB, 5 * kMiB, 64 * kMiB + 1}) {
    const DeviceBuffer buffer = device->allocate(bytes, MemoryKind::kWeights, "w");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0U) << bytes;
    std::memset(buffer.data(), 1, buffer.bytes());  // the sanitizer watches
  }
  EXPECT_EQ(device->ledger().used_bytes(), 0U);
}

// Pages of the buffer that are in memory.
int64_t resident_pages(const DeviceBuffer& buffer) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages(buffer.bytes() / page);
  EXPECT_EQ(::mincore(buffer.data(), buffer.bytes(), pages.data()), 0);
  return std::ranges::count_if(pages, [](unsigned char bits) { return bits % 2 != 0; });
}

TEST(VirtualDevice, PrefaultsWhatNothingIsLoadedInto) {
  constexpr uint64_t kBytes = 9 * kMiB;  // no whole number of pieces
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 1 << 30, .threads = 2});
  const auto pages_of = [&](MemoryKind kind) {
    return resident_pages(device->allocate(kBytes, kind, "a"));
  };
  const auto all = static_cast<int64_t>(kBytes) / ::sysconf(_SC_PAGESIZE);
  EXPECT_EQ(pages_of(MemoryKind::kKv), all);
  EXPECT_EQ(pages_of(MemoryKind::kArena), all);
  EXPECT_EQ(pages_of(MemoryKind::kWeights), 0);
}

TEST(VirtualDevice, AMachineWithoutThatMuchMemoryIsAnError) {
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = UINT64_MAX});
  const std::string line =
      error_of([&] { device->allocate(uint64_t{1} << 60, MemoryKind::kKv, "huge"); });
  EXPECT_THAT(line, AllOf(StartsWith("cpu:0: the host has no "), HasSubstr("larger than")));
  EXPECT_EQ(device->ledger().used_bytes(), 0U);  // booked first, and taken back
  EXPECT_THROW(device->allocate(UINT64_MAX, MemoryKind::kKv, "wraps"), Error);
}

MappedFile mapped_file(const TempFolder& folder, uint64_t bytes) {
  return MappedFile::open(folder.write("weights", std::string(bytes, 'w')));
}

TEST(VirtualDevice, AdoptsWhatAFileHoldsWithoutACopy) {
  const TempFolder folder;
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 9000});
  MappedFile file = mapped_file(folder, 4096 + 8000);
  const std::byte* data = file.bytes().data() + 4096;
  DeviceBuffer buffer = device->adopt(std::move(file), 4096, 8000, MemoryKind::kWeights, "a");
  EXPECT_EQ(buffer.data(), data);
  EXPECT_EQ(buffer.device(), device.get());
  EXPECT_EQ(static_cast<const char*>(buffer.data())[7999], 'w');
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 8000U);
  EXPECT_THAT(error_of([&] {
                device->adopt(mapped_file(folder, 8192), 4096, 4096, MemoryKind::kWeights, "b");
              }),
              StartsWith("cpu:0: weights of b: expected at most 1000 B"));

  DeviceBuffer moved = std::move(buffer);
  EXPECT_EQ(static_cast<const char*>(moved.data())[0], 'w');
  moved = device->allocate(64, MemoryKind::kKv, "c");  // unmaps what it held
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 0U);
  std::memset(moved.data(), 1, moved.bytes());
}

TEST(VirtualDevice, BooksWhatItAdoptsInItsGranule) {
  const TempFolder folder;
  const auto device =
      open_virtual_device({.name = "cpu:0", .budget_bytes = kMiB, .granule_bytes = 4096});
  const DeviceBuffer buffer =
      device->adopt(mapped_file(folder, 100), 0, 100, MemoryKind::kWeights, "a");
  EXPECT_EQ(buffer.bytes(), 4096U);
  EXPECT_EQ(device->ledger().used_bytes(), 4096U);
}

TEST(VirtualDevice, AdoptsNoMoreThanTheFileHas) {
  const TempFolder folder;
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = kMiB});
  for (const auto& [offset, bytes] : {std::pair<uint64_t, uint64_t>{0, 101}, {64, 37}, {128, 0}})
    EXPECT_THAT(error_of([&] {
                  device->adopt(mapped_file(folder, 100), offset, bytes, MemoryKind::kWeights, "a");
                }),
                AllOf(StartsWith(folder.path("weights")), HasSubstr("found 100 bytes")));
  EXPECT_EQ(device->ledger().used_bytes(), 0U);
}

std::vector<int> cpus_of_this_thread() {
  cpu_set_t set;
  sched_getaffinity(0, sizeof(set), &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

TEST(VirtualDevice, PinsItsStreamsBesideItsWorkers) {
  const std::vector<int> all = cpus_of_this_thread();
  if (all.size() < 2) GTEST_SKIP() << "needs two cores";
  const auto stream_cpus = [](int threads, const std::vector<int>& cpus) {
    const auto device = open_virtual_device({.name = "cpu:0", .threads = threads, .cpus = cpus});
    const auto stream = device->open_stream("compute");
    std::vector<int> found;
    stream->run({}, Work([&found](WorkerPool&) { found = cpus_of_this_thread(); }));
    stream->synchronize();
    return found;
  };
  EXPECT_EQ(stream_cpus(1, {}), all);
  EXPECT_THAT(stream_cpus(1, {all[1]}), ElementsAre(all[1]));
  EXPECT_THAT(stream_cpus(2, {all[1], all[0]}), ElementsAre(all[1]));  // the worker is on the other
  EXPECT_THAT(stream_cpus(1, {all[0], all[1]}), ElementsAre(all[0], all[1]));
  EXPECT_THAT(stream_cpus(3, {all[0], all[1]}), ElementsAre(all[0], all[1]));  // none is left over
}

TEST(VirtualDevice, RefusesWhatNoDeviceIs) {
  const auto line_of = [](const DeviceInfo& info) {
    return error_of([&] { open_virtual_device(info); });
  };
  EXPECT_EQ(line_of({.name = "cpu:0", .threads = 0}),
            "cpu:0: threads: expected 1 or more, found 0");
  EXPECT_EQ(line_of({.name = "cpu:0", .speed = 1.5}),
            "cpu:0: speed: expected above 0, at most 1, found 1.5");
  EXPECT_THAT(line_of({.name = "cpu:0", .speed = NAN}), HasSubstr("found nan"));
  EXPECT_THAT(line_of({.name = "cpu:0", .link_bytes_per_s = -1}), StartsWith("cpu:0: link: "));
  EXPECT_THAT(line_of({.name = "cpu:0", .link_latency_s = INFINITY}),
              StartsWith("cpu:0: link latency: "));
  EXPECT_THAT(line_of({.name = "cpu:0", .cpus = {-1}}), StartsWith("cpu:0: cpus: "));
  EXPECT_THAT(line_of({.name = "cpu:0", .granule_bytes = 0}), StartsWith("cpu:0: granule: "));
}

}  // namespace
}  // namespace tessera
