#include "device/cgroup.h"

#include <gtest/gtest.h>

#include "tests/device/fake_root.h"

namespace tessera {
namespace {

TEST(Cgroup, NoneMeansNoLimits) {
  const FakeRoot root;
  const CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 0);
  EXPECT_EQ(limits.memory_bytes, UINT64_MAX);
  EXPECT_EQ(limits.available_bytes, UINT64_MAX);
}

TEST(Cgroup, Version2TakesTheTightestOfAGroupAndThoseAbove) {
  FakeRoot root;
  root.write("/proc/self/mountinfo",
             "24 1 0:22 / /proc rw - proc proc rw\n"
             "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
  root.write("/proc/self/cgroup", "0::/user.slice/job.scope\n");
  const std::string group = "/sys/fs/cgroup/user.slice";
  root.write(group + "/cpu.max", "150000 100000\n");
  root.write(group + "/memory.max", "1000000\n");
  root.write(group + "/memory.current", "900000\n");
  root.write(group + "/memory.stat", "anon 300000\ninactive_file 500000\nactive_file 100000\n");
  root.write(group + "/job.scope/cpu.max", "max 100000\n");
  root.write(group + "/job.scope/memory.max", "800000\n");
  root.write(group + "/job.scope/memory.current", "100000\n");
  const CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 1.5);
  EXPECT_EQ(limits.memory_bytes, 800000U);     // the job's own
  EXPECT_EQ(limits.available_bytes, 600000U);  // the slice's: 400,000 used that cannot be dropped
}

TEST(Cgroup, Version1HasAFolderForEachController) {
  FakeRoot root;
  root.write("/proc/self/mountinfo",
             "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
             "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
             "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  root.write("/proc/self/cgroup", "4:memory:/job\n1:cpu,cpuacct:/\n0::/\n");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "5000\n");
  root.write("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "6000\n");  // just lowered
  CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 0);
  EXPECT_EQ(limits.memory_bytes, 5000U);
  EXPECT_EQ(limits.available_bytes, 0U);

  root.write("/sys/fs/cgroup/memory/job/memory.stat",
             "inactive_file 1\ntotal_inactive_file 4000\n");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 2.5);
  EXPECT_EQ(limits.available_bytes, 3000U);
}

TEST(Cgroup, InAContainerTheMountsTopIsTheGroup) {
  FakeRoot root;
  root.write("/proc/self/mountinfo",
             "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  root.write("/proc/self/cgroup", "4:memory:/docker/abc/inner\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n");
  EXPECT_EQ(read_cgroup_limits(root.path()).memory_bytes, 7000U);
  root.write("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "6000\n");
  EXPECT_EQ(read_cgroup_limits(root.path()).memory_bytes, 6000U);
}

}  // namespace
}  // namespace tessera
