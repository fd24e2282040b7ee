#include "http/access_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "base/json.h"

namespace tessera {
namespace {

const AccessEntry kEntry = {.time_ms = 1714558830123,
                            .id = "id-1",
                            .client = "127.0.0.1",
                            .user = "",
                            .method = "GET",
                            .path = "/a\"b\n\x1b[31m c",
                            .status = 200,
                            .bytes = 12,
                            .ms = 3.449};

TEST(AccessLog, IsALineThatNobodyCanBreak) {
  EXPECT_EQ(
      access_text(kEntry),
      "2024-05-01T10:20:30.123Z id-1 127.0.0.1 - \"GET /a\\x22b\\x0a\\x1b[31m\\x20c\" 200 12 B "
      "3.4 ms");
  const std::string line = access_json(kEntry);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Json json = Json::parse(line);
  EXPECT_EQ(json["time"], "2024-05-01T10:20:30.123Z");
  EXPECT_EQ(json["path"], kEntry.path);
  EXPECT_EQ(json["ms"], 3.4);
  EXPECT_EQ(json["complete"], true);
  AccessEntry odd = kEntry;
  odd.path = "\xff";
  EXPECT_FALSE(Json::parse(access_json(odd), nullptr, false).is_discarded());
}

TEST(AccessLog, SaysHowManyLinesAStalledWriterHasCost) {
  std::atomic<bool> stalled{true};
  std::vector<std::string> lines;
  constexpr int kEntries =
      10000;  // more than twice what it keeps: it may have taken as many to write
  {
    AccessLog log(
        [&](std::string_view line) {
          stalled.wait(true);
          lines.emplace_back(line);
          if (lines.size() % 2 == 0) throw std::runtime_error("disk full");
        },
        false);
    for (int i = 0; i < kEntries; ++i) log.add(kEntry);
    stalled = false;
    stalled.notify_all();
  }
  ASSERT_GE(lines.size(), 4097U);
  int lost = 0, told = 0;
  for (const std::string& line : lines) {
    if (!line.ends_with(" lines are lost")) continue;
    lost += std::stoi(line);
    ++told;
  }
  EXPECT_GT(lost, 0);
  EXPECT_EQ(std::ssize(lines) - told + lost, kEntries);
}

}  // namespace
}  // namespace tessera
