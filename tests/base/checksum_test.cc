#include "base/checksum.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

std::string text_of(std::string_view bytes) {
  Checksum checksum;
  checksum.add(bytes);
  return checksum.text();
}

TEST(Checksum, IsXxh3) {  // as `xxhsum -H3` prints it
  EXPECT_EQ(text_of(""), "2d06800538d394c2");
  EXPECT_EQ(text_of("abc"), "78af5f94892f3950");
}

TEST(Checksum, IsTheSameInPieces) {
  std::string bytes(100'000, ' ');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i % 251);
  const std::string whole = text_of(bytes);
  for (const size_t piece : {1, 63, 4096, 99'999}) {
    Checksum checksum;
    for (size_t at = 0; at < bytes.size(); at += piece)
      checksum.add(std::string_view(bytes).substr(at, piece));
    EXPECT_EQ(checksum.text(), whole) << piece;
  }
  bytes[50'000] ^= 1;
  EXPECT_NE(text_of(bytes), whole);
}

TEST(Checksum, AnotherSeedIsAnotherFunction) {
  const std::string text = "abc";
  const auto bytes = std::as_bytes(std::span(text));
  EXPECT_EQ(seeded_checksum(bytes, 0), 0x78af5f94892f3950U);
  EXPECT_NE(seeded_checksum(bytes, 1), seeded_checksum(bytes, 0));
}

}  // namespace
}  // namespace tessera
