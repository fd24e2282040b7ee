#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() { fs::create_directories(dir_); }
  ~FileTest() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  fs::path dir_ = fs::path(testing::TempDir()) / ("tessera_file_" + std::to_string(::getpid()));
};

TEST_F(FileTest, ReadsAtAnyOffsetAndSaysWhenTheFileEnds) {
  write_file_atomic(path("a"), "0123456789");
  const File file = File::open(path("a"));
  EXPECT_EQ(file.size(), 10U);
  std::string out(4, ' ');
  file.read_at(6, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "6789");
  const std::string error =
      error_of([&] { file.read_at(8, std::as_writable_bytes(std::span(out))); });
  EXPECT_THAT(error, HasSubstr(path("a") + ": ends too early: expected 2 more bytes at offset 10"));
}

TEST_F(FileTest, RefusesWhatIsNotARegularFile) {
  EXPECT_THAT(error_of([&] { File::open(dir_.string()); }), HasSubstr("found a directory"));
  EXPECT_THAT(error_of([&] { File::open(path("none")); }), HasSubstr("cannot open: No such file"));
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { MappedFile::open(path("pipe")); }), HasSubstr("a special file"));
}

TEST_F(FileTest, MapsWholeFilesEmptyOnesToo) {
  write_file_atomic(path("a"), "abc");
  write_file_atomic(path("empty"), "");
  const MappedFile mapped = MappedFile::open(path("a"));
  ASSERT_EQ(mapped.bytes().size(), 3U);
  EXPECT_EQ(mapped.bytes()[2], std::byte{'c'});
  EXPECT_TRUE(MappedFile::open(path("empty")).bytes().empty());
}

TEST_F(FileTest, ReadsInWhatIsMappedAndSurvivesAFileThatShrank) {
  write_file_atomic(path("a"), std::string(1 << 20, 'a'));
  const MappedFile mapped = MappedFile::open(path("a"));
  read_in(mapped.bytes(), path("a"));
  read_in(mapped.bytes().subspan(5000, 10), path("a"));  // not at a page's start
  EXPECT_EQ(mapped.bytes()[5000], std::byte{'a'});
  fs::resize_file(path("a"), 100'000);
  read_in(mapped.bytes().first(100'000), path("a"));
  EXPECT_THAT(error_of([&] { read_in(mapped.bytes(), path("a")); }),
              HasSubstr(path("a") + ": the file has shrunk"));
}

TEST_F(FileTest, ReadFileHoldsItsLimit) {
  write_file_atomic(path("a"), "0123456789");
  EXPECT_EQ(read_file(path("a"), 10), "0123456789");
  EXPECT_THAT(error_of([&] { read_file(path("a"), 9); }), HasSubstr("at most 9 bytes"));
}

TEST_F(FileTest, AtomicWriteLeavesNothingBehindWhenItFails) {
  fs::create_directories(path("taken"));  // a rename onto a folder fails
  EXPECT_THAT(error_of([&] { write_file_atomic(path("taken"), "x"); }), HasSubstr("rename"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
}

TEST(PathInside, KeepsNamesInTheFolder) {
  EXPECT_EQ(path_inside("/m", "a.bin", "index"), "/m/a.bin");
  EXPECT_EQ(path_inside("/m", "vit/a.bin", "index"), "/m/vit/a.bin");
  for (const char* name : {"", "/etc/passwd", "../a", "vit/../../a", "a/", "./a", ".", "a//b"})
    EXPECT_THAT(error_of([&] { path_inside("/m", name, "index.json"); }),
                HasSubstr("index.json: file name: expected a path inside the model folder"))
        << name;
}

}  // namespace
}  // namespace tessera
