#include "server/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/json.h"

namespace tessera {
namespace {

std::string own(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}
std::string nlohmanns(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

TEST(JsonText, WritesEachByteAsNlohmannDoes) {
  for (int first = 0; first < 256; ++first) {
    const std::string one(1, static_cast<char>(first));
    EXPECT_EQ(own(one), nlohmanns(one)) << first;
    EXPECT_EQ(own("a" + one + "b"), nlohmanns("a" + one + "b")) << first;
  }
}

TEST(JsonText, WritesRandomBytesAsNlohmannDoes) {
  // Bytes that begin, go on with and end characters, in any order: most texts are not UTF-8.
  const std::string bytes =
      "a\"\\\n\x01\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xdf\xe0\xe1\xed\xee\xef\xf0\xf1\xf4\xf5\xff";
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 9, '\0');
    for (char& byte : text) byte = bytes[random() % bytes.size()];
    ASSERT_EQ(own(text), nlohmanns(text)) << i;
  }
}

TEST(JsonText, KeepsCharacters) {
  for (const char* text :
       {"", "plain", "é 日本語 🙂", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(Json::parse(own(text)).get<std::string>(), text);
}

TEST(JsonText, LogprobsReadBackTheSame) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> any(-40, 0);
  for (int i = 0; i < 1000; ++i) {
    const float value = i == 0 ? 0.0F : i == 1 ? -1e-30F : any(random);
    std::string out;
    append_logprob(out, value);
    EXPECT_EQ(Json::parse(out).get<float>(), value) << out;
  }
  for (const float value : {-std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::string out;
    append_logprob(out, value);
    EXPECT_EQ(Json::parse(out).get<double>(), -9999);
  }
}

}  // namespace
}  // namespace tessera
