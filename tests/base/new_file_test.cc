#include "base/new_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(NewFile, HasItsNameOnceItIsWhole) {
  const TempFolder folder;
  const std::string path = folder.write("a", "before");
  {
    NewFile file(path);
    file.write_at(3, "345");
    file.write_at(0, "012");
    EXPECT_EQ(read_file(path, 100), "before");
    EXPECT_TRUE(file_exists(path + ".part"));
    file.commit();
  }
  EXPECT_EQ(read_file(path, 100), "012345");
  EXPECT_FALSE(file_exists(path + ".part"));
}

TEST(NewFile, LeavesNothingBehindWithoutCommit) {
  const TempFolder folder;
  { NewFile(folder.path("a")).write_at(0, "half"); }
  EXPECT_FALSE(file_exists(folder.path("a")));
  EXPECT_FALSE(file_exists(folder.path("a.part")));
}

TEST(NewFile, BeginsAnewWhatACrashLeft) {
  const TempFolder folder;
  folder.write("a.part", "much longer than what follows");
  NewFile file(folder.path("a"));
  file.write_at(0, "new");
  file.commit();
  EXPECT_EQ(read_file(folder.path("a"), 100), "new");
}

TEST(NewFile, SaysWhyItCannotBeMade) {
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { NewFile(folder.path("none/a")); }),
              HasSubstr("none/a.part: cannot create: No such file"));
}

TEST(NewFile, KnowsWhatTheDiskHasLeft) {
  const TempFolder folder;
  EXPECT_GT(free_disk_bytes(folder.path()), 0U);
  EXPECT_THAT(error_of([&] { free_disk_bytes(folder.path("none")); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace tessera
