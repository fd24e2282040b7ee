#include "tessera/error.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(Error, JoinsItsPartsIntoOneLine) {
  const Error error({.where = "a.safetensors",
                     .what = "layers.0.weight",
                     .expected = "bf16 [2, 3]",
                     .found = "f32 [2]",
                     .hint = "is config.json from the same model?"});
  EXPECT_STREQ(error.what(),
               "a.safetensors: layers.0.weight: expected bf16 [2, 3], found f32 [2] (is "
               "config.json from the same model?)");
  EXPECT_STREQ(Error({.where = "x", .found = "y"}).what(), "x: found y");
  EXPECT_STREQ(Error({.what = "empty question"}).what(), "empty question");
}

TEST(Error, EscapesControlCharactersSoThatItStaysOneLine) {
  EXPECT_STREQ(Error({.where = "evil\nname\x1b[31m"}).what(), "evil\\x0aname\\x1b[31m");
}

}  // namespace
}  // namespace tessera
