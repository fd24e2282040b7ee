// Many connections at once.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "base/units.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"
#include "tests/support/sanitized.h"

namespace tessera {
namespace {

constexpr int kCrowd = kSanitized ? 300 : 2000;
constexpr uint64_t kBytesOfEach = kSanitized ? kMiB : 40 * kKiB;  // shadow memory is not counted

uint64_t resident_bytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST(Crowd, OfIdleConnectionsCostsLittleAndDisturbsNobody) {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2 * kCrowd + 100) GTEST_SKIP() << "too few descriptors are allowed";

  HttpServerOptions options;
  options.limits.connections = options.limits.connections_of_address = kCrowd + 10;
  ExampleServer example(options);
  EXPECT_EQ(RawClient(example.port()).get("/hello").status, 200);
  const uint64_t before = resident_bytes();
  std::vector<RawClient> crowd;
  crowd.reserve(kCrowd);
  for (int i = 0; i < kCrowd; ++i) {
    crowd.emplace_back(example.port());
    ASSERT_TRUE(crowd.back().connected()) << i;
    // Some have been answered, some are in the middle of a request, some have said nothing.
    if (i % 3 == 0) {
      ASSERT_EQ(crowd.back().get("/hello").status, 200);
    }
    if (i % 3 == 1) crowd.back().send("GET /hello HTTP/1.1\r\nHost: loc");
  }
  ASSERT_TRUE(becomes_true([&] { return example.server->connections() == kCrowd; }));
  EXPECT_LT(resident_bytes() - before, kCrowd * kBytesOfEach);

  RawClient one(example.port());
  const double begin = now_s();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(one.get("/hello").status, 200);
  EXPECT_LT(now_s() - begin, 2);
  const double cpu = process_cpu_s();
  sleep_until_s(now_s() + 0.3);
  EXPECT_LT(process_cpu_s() - cpu, 0.05);

  crowd.clear();
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 1; }));
}

}  // namespace
}  // namespace tessera
