#include "http/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/clock.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::string error_in(const std::string& text) {
  return error_of([&] { ApiKeys().add(text, "keys"); });
}

TEST(ApiKeys, KnowsWhoseKeyItIs) {
  ApiKeys keys;
  EXPECT_TRUE(keys.empty());
  keys.add("# who may\n\n  ann:0123456789abcdef\t\r\nfedcba9876543210\nann:another-key-of-ann:1",
           "x");
  EXPECT_FALSE(keys.empty());
  EXPECT_EQ(keys.owner("0123456789abcdef"), "ann");
  EXPECT_EQ(keys.owner("fedcba9876543210"), "key-2");
  EXPECT_EQ(keys.owner("another-key-of-ann:1"), "ann");
  for (const char* other : {"", "0123456789abcde", "ann:0123456789abcdef", "# who may"})
    EXPECT_EQ(keys.owner(other), std::nullopt) << other;
}

TEST(ApiKeys, RefusesWhatIsNoKeyAndDoesNotRepeatIt) {
  EXPECT_THAT(error_in("\nann:short-secret"),
              HasSubstr("keys:2: the length of a key: expected 16 to 1024 characters, found 12"));
  EXPECT_THAT(error_in("a-secret with blanks in it"), HasSubstr("visible ASCII"));
  EXPECT_THAT(error_in("a-secret-with-\xc3\xa9-in-it"), HasSubstr("visible ASCII"));
  EXPECT_THAT(error_in("no name:0123456789abcdef"), HasSubstr("the name before"));
  EXPECT_THAT(error_in(":0123456789abcdef"), HasSubstr("the name before"));
  EXPECT_THAT(error_in("a:0123456789abcdef\nb:0123456789abcdef"),
              HasSubstr("keys:2: a key: found it twice"));
  for (const char* text : {"ann:short-secret", "a-secret with blanks in it"})
    EXPECT_EQ(error_in(text).find("secret"), std::string::npos);
}

TEST(ApiKeys, LooksAtWhoMayReadAndWriteTheFile) {
  const TempFolder folder;
  const std::string file = folder.write("keys", "ann:0123456789abcdef\n");
  const auto with_mode = [&](int mode) {
    std::filesystem::permissions(file, std::filesystem::perms(mode));
    return error_of([&] { EXPECT_EQ(ApiKeys().add_file(file), ""); });
  };
  EXPECT_EQ(with_mode(0600), "no error");
  EXPECT_EQ(with_mode(0440), "no error");
  EXPECT_THAT(with_mode(0660), HasSubstr("found mode 660 (chmod 600)"));
  EXPECT_THAT(with_mode(0602), HasSubstr("found mode 602"));
  std::filesystem::permissions(file, std::filesystem::perms(0444));
  EXPECT_THAT(ApiKeys().add_file(file), HasSubstr("everybody on this machine may read"));

  EXPECT_THAT(error_of([&] { ApiKeys().add_file(folder.path("absent")); }), HasSubstr("absent"));
  const std::string none = folder.write("none", "# nobody\n");
  EXPECT_THAT(error_of([&] { ApiKeys().add_file(none); }), HasSubstr("expected a key a line"));
}

// Not a proof, but it catches a comparison that stops where it knows enough: with a million keys
// the first would be found at once.
TEST(ApiKeys, TakesTheSameTimeForEveryKey) {
  ApiKeys keys;
  constexpr int kKeys = 2000;
  std::string text;
  for (int i = 0; i < kKeys; ++i) text += "0123456789abcdef-" + std::to_string(i) + "\n";
  keys.add(text, "keys");
  const std::string presented[] = {
      "0123456789abcdef-0", "0123456789abcdef-" + std::to_string(kKeys - 1), "0123456789abcdef-x"};
  // The best of many rounds, the keys in turn: what else the machine does slows all of them.
  double best[] = {1, 1, 1};
  for (int round = 0; round < 50; ++round)
    for (int key = 0; key < 3; ++key) {
      const double begin = now_s();
      for (int i = 0; i < 10; ++i) (void)keys.owner(presented[key]);
      best[key] = std::min(best[key], now_s() - begin);
    }
  const auto [first, last, none] = best;
  EXPECT_LT(last, 1.5 * first);
  EXPECT_LT(none, 1.5 * first);
  EXPECT_LT(first, 1.5 * last);
}

TEST(ApiKeys, ReadsTheBearersKey) {
  EXPECT_EQ(presented_key("Bearer abc"), "abc");
  EXPECT_EQ(presented_key("bearer   abc "), "abc");
  EXPECT_EQ(presented_key("Basic YW55Om9uZTpuYW1l"), "one:name");  // any:one:name
  EXPECT_EQ(presented_key("Basic b25lbmFtZQ=="), "");              // no colon
  EXPECT_EQ(presented_key("Basic ?"), "");
  for (const char* none : {"", "Bearer", "Bearer ", "Basic abc", "Bearerabc"})
    EXPECT_EQ(presented_key(none), "") << none;
}

}  // namespace
}  // namespace tessera
