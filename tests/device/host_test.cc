#include "device/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "base/units.h"
#include "device/read_bandwidth.h"
#include "tests/device/fake_root.h"
#include "tests/support/error_of.h"
#include "tests/support/sanitized.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

HostInfo synthetic(const std::string& topology) {
  return read_host_info({.synthetic_topology = topology});
}

TEST(Host, ReadsPackagesCachesAndNumaNodes) {
  const HostInfo host = synthetic(
      "pack:2 [numa(memory=68719476736)] l3:2(size=33554432) core:4 l2:1(size=1048576) "
      "l1d:1(size=32768) pu:2");
  EXPECT_EQ(host.packages, 2);
  EXPECT_EQ(host.cores, 16);
  EXPECT_EQ(host.threads, 32);
  EXPECT_EQ(host.l1_bytes, 32 * kKiB);
  EXPECT_EQ(host.l2_bytes, kMiB);
  EXPECT_EQ(host.l3_bytes, 32 * kMiB);
  EXPECT_EQ(host.l3_count, 4);
  ASSERT_EQ(host.numa_nodes.size(), 2U);
  EXPECT_EQ(host.numa_nodes[1].memory_bytes, 64 * kGiB);
  ASSERT_EQ(host.cpus.size(), 32U);
  EXPECT_EQ(host.cpus[17].core, 8);
  EXPECT_EQ(host.cpus[17].package, 1);
  EXPECT_EQ(host.cpus[17].numa_node, 1);
  EXPECT_EQ(host.usable_cores(), 16);
}

TEST(Host, MemoryIsTheTightestOfTheMachinesAndTheGroups) {
  FakeRoot root;
  const auto read = [&] { return read_host_info({root.path(), "core:4 pu:1"}); };
  root.write("/proc/meminfo",
             "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   20000000 kB\n");
  EXPECT_EQ(read().memory_bytes, 24000000 * kKiB);
  EXPECT_EQ(read().available_bytes, 20000000 * kKiB);
  root.write("/proc/self/mountinfo", "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
  root.write("/proc/self/cgroup", "0::/job\n");
  root.write("/cg/job/memory.max", "4000000\n");
  root.write("/cg/job/memory.current", "1000000\n");
  root.write("/cg/job/cpu.max", "250000 100000\n");
  EXPECT_EQ(read().memory_bytes, 4000000U);
  EXPECT_EQ(read().available_bytes, 3000000U);
  EXPECT_EQ(read().usable_cores(), 2);  // a third thread would be stopped half of the time
}

TEST(Host, ReadsTheProcesssOwnMemory) {
  FakeRoot root;
  root.write("/proc/self/status",
             "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t  4321 kB\nVmRSS:\t 1234 kB\n");
  const ProcessMemory memory = read_process_memory({.root = root.path()});
  EXPECT_EQ(memory.peak_bytes, 4321 * kKiB);
  EXPECT_EQ(memory.resident_bytes, 1234 * kKiB);
}

TEST(Host, APeakFromHereOn) {
  const auto touch = [](uint64_t bytes) {
    std::vector<char> pages(bytes, 1);
    EXPECT_EQ(pages[kMiB], 1);
  };
  touch(200 * kMiB);  // before: does not count
  const uint64_t resident = read_process_memory().resident_bytes;
  const PeakMemory peak;
  touch(64 * kMiB);
  EXPECT_GE(peak.bytes(), resident + 60 * kMiB);
  // A sanitizer's shadow of what was touched counts as well.
  EXPECT_LE(peak.bytes(), resident + (kSanitized ? 1000 : 100) * kMiB);
}

TEST(Host, APeakThatCannotBeSetBackIsSampled) {
  FakeRoot root;  // without clear_refs
  const auto hold = [&](int peak_kb, int resident_kb) {
    root.write("/proc/self/status", "VmHWM:\t" + std::to_string(peak_kb) + " kB\nVmRSS:\t" +
                                        std::to_string(resident_kb) + " kB\n");
  };
  hold(900, 100);
  PeakMemory peak({.root = root.path()});
  EXPECT_FALSE(std::filesystem::exists(root.path() + "/proc/self/clear_refs"));
  EXPECT_EQ(peak.bytes(), 100 * kKiB);
  hold(900, 400);
  peak.sample();
  hold(900, 300);
  EXPECT_EQ(peak.bytes(), 400 * kKiB);
  hold(1200, 300);  // the record was broken, so it is of now
  EXPECT_EQ(peak.bytes(), 1200 * kKiB);

  root.write("/proc/self/clear_refs", "");
  hold(900, 900);
  PeakMemory reset({.root = root.path()});
  std::ifstream written(root.path() + "/proc/self/clear_refs");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(written), {}), "5");
  EXPECT_EQ(reset.bytes(), 900 * kKiB);
}

TEST(Host, AgreesWithThisMachine) {
  const HostInfo host = read_host_info();
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  EXPECT_EQ(host.cpus.size(), static_cast<size_t>(CPU_COUNT(&allowed)));
  for (const HostCpu& cpu : host.cpus) EXPECT_TRUE(CPU_ISSET(cpu.index, &allowed));
  EXPECT_GT(host.memory_bytes, 256 * kMiB);
  EXPECT_GT(host.available_bytes, 0U);
  EXPECT_LE(host.available_bytes, host.memory_bytes);

  const ProcessMemory before = read_process_memory();
  std::vector<char> pages(64 * kMiB, 1);
  EXPECT_EQ(pages[kMiB], 1);
  EXPECT_GE(read_process_memory().peak_bytes, before.resident_bytes + 60 * kMiB);
}

TEST(Host, FollowsTheThreadsAffinity) {
  std::thread([] {
    const int cpu = read_host_info().cpus.front().index;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    const HostInfo host = read_host_info();
    ASSERT_EQ(host.cpus.size(), 1U);
    EXPECT_EQ(host.cpus[0].index, cpu);
    EXPECT_EQ(host.usable_cores(), 1);
  }).join();
}

TEST(Host, RefusesATopologyThatIsNone) {
  EXPECT_EQ(error_of([] { synthetic("pack:nonsense"); }),
            "host: hwloc cannot read the processors of this machine");
}

TEST(ReadBandwidth, IsThatOfARealMachine) {
  WorkerPool pool(2);
  const double bytes_per_s = measure_read_bandwidth(pool, 16 * kMiB);
  EXPECT_GT(bytes_per_s, 1e8);   // a sanitizer's build on a busy machine
  EXPECT_LT(bytes_per_s, 1e13);  // caches reach a few TB/s
}

TEST(ReadBandwidth, IsMeasuredFarOutsideTheCaches) {
  HostInfo host = {.l3_bytes = 32 * kMiB, .l3_count = 1, .available_bytes = 64 * kGiB};
  EXPECT_EQ(uncached_bytes(host), 256 * kMiB);
  host.l3_bytes = 300 * kMiB;
  EXPECT_EQ(uncached_bytes(host), 600 * kMiB);
  host.l3_count = 2;
  EXPECT_EQ(uncached_bytes(host), 1200 * kMiB);
  host.available_bytes = 2 * kGiB;  // half of it would be too much to take
  EXPECT_EQ(uncached_bytes(host), 512 * kMiB);
  host.available_bytes = 0;  // the system does not say
  EXPECT_EQ(uncached_bytes(host), 256 * kMiB);
}

}  // namespace
}  // namespace tessera
