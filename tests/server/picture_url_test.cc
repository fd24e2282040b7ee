#include "server/picture_url.h"

#include <gtest/gtest.h>

#include "http/http_errors.h"

namespace tessera {
namespace {

constexpr uint64_t kMax = 8;

// "CODE: the error's line" of a URL that is refused.
std::string refused_picture(const std::string& url) {
  try {
    picture_of_url(url, "messages[0].content[1].image_url.url", kMax);
  } catch (const HttpError& error) {
    EXPECT_EQ(error.kind().status, 400);
    EXPECT_EQ(error.kind().param, "messages[0].content[1].image_url.url");
    return error.kind().code + ": " + error.what();
  }
  return "taken";
}

TEST(PictureUrl, TakesDataUrlsOfTheFourKinds) {
  for (const char* head :
       {"data:image/png;base64,", "DATA:image/JPEG;Base64,", "data:image/jpg;base64,",
        "data:image/webp;base64,", "data:image/gif;charset=x;base64,"}) {
    const Picture picture = picture_of_url(head + std::string("Zm9vYmFy"), "here", kMax);
    EXPECT_EQ(picture.name, "here");
    ASSERT_NE(picture.bytes, nullptr);
    EXPECT_EQ(*picture.bytes, "foobar");
  }
}

TEST(PictureUrl, FetchesNothing) {
  for (const char* url :
       {"http://example.com/a.png", "https://example.com/a.png", "file:///etc/passwd",
        "ftp://example.com/", "//example.com/a.png", "", "a.png"}) {
    const std::string error = refused_picture(url);
    EXPECT_TRUE(error.starts_with("invalid_image_url: ")) << url << ": " << error;
    EXPECT_NE(error.find("fetches no pictures"), error.npos) << error;
  }
}

TEST(PictureUrl, RefusesWhatIsNotAPictureInBase64) {
  EXPECT_NE(refused_picture("data:image/png;base64").find("a comma"), std::string::npos);
  EXPECT_NE(refused_picture("data:image/png,Zm9v").find("data:TYPE;base64,"), std::string::npos);
  EXPECT_NE(refused_picture("data:image/svg+xml;base64,Zm9v").find("image/jpeg"),
            std::string::npos);
  EXPECT_NE(refused_picture("data:;base64,Zm9v").find("image/jpeg"), std::string::npos);
  EXPECT_NE(refused_picture("data:image/png;base64,Zm9*").find("base64 after the comma"),
            std::string::npos);
  EXPECT_NE(refused_picture("data:image/png;base64,").find("a picture"), std::string::npos);
}

TEST(PictureUrl, SaysHowLargeItMayBe) {
  EXPECT_EQ(picture_of_url("data:image/png;base64,MTIzNDU2Nzg=", "x", kMax).bytes->size(), 8);
  EXPECT_TRUE(
      refused_picture("data:image/png;base64,MTIzNDU2Nzg5MDEy").starts_with("image_too_large: "));
}

TEST(PictureUrl, ShowsNothingOfAPictureInAnError) {
  EXPECT_EQ(refused_picture("data:image/bmp;base64,c2VjcmV0").find("c2VjcmV0"), std::string::npos);
}

}  // namespace
}  // namespace tessera
