#include "base/temp_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// $TMPDIR for one test.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& folder)
      : before_(::getenv("TMPDIR") != nullptr ? ::getenv("TMPDIR") : "") {
    ::setenv("TMPDIR", folder.c_str(), 1);
  }
  ~TemporaryFolder() { ::setenv("TMPDIR", before_.c_str(), 1); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

 private:
  const std::string before_;
};

TEST(TempFile, HoldsBytesAndHasNoName) {
  const TempFolder folder;
  const TemporaryFolder here(folder.path());
  TempFile file(100);
  const std::vector<std::byte> in(40, std::byte{7});
  file.write_at(60, in);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));

  TempFile moved = std::move(file);
  std::vector<std::byte> out(40);
  moved.read_at(60, out);
  EXPECT_EQ(out, in);
  moved.read_at(0, out);
  EXPECT_EQ(out, std::vector<std::byte>(40));
  EXPECT_EQ(moved.size(), 100U);
}

TEST(TempFile, ADiskThatIsTooSmallOrNotThereIsAnError) {
  EXPECT_THAT(error_of([] { TempFile(uint64_t{1} << 60); }),
              AllOf(HasSubstr("temporary file of"), HasSubstr("TMPDIR")));
  const TemporaryFolder nowhere("/no/such/folder");
  EXPECT_THAT(error_of([] { TempFile(1); }), HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace tessera
