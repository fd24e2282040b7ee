#include "image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/json.h"
#include "image/preprocess.h"
#include "tests/image/pictures.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

/// What Pillow made of each file (tools/oracle/pictures.py).
const Json& recorded() {
  static const Json table = Json::parse(picture_bytes("pictures.json"));
  return table;
}

uint32_t from_hex(const Json& text) {
  return static_cast<uint32_t>(std::stoul(text.get<std::string>(), nullptr, 16));
}

void expect_pillows_pixels(const Json& picture, const std::string& path) {
  SCOPED_TRACE(path);
  const Image image = read_image(path);
  EXPECT_EQ(image.width, picture["width"]);
  EXPECT_EQ(image.height, picture["height"]);
  EXPECT_EQ(crc(image), from_hex(picture["rgb_crc"]));
}

TEST(Decode, EveryPictureIsPillowsBitForBit) {
  std::set<std::string> formats;
  for (const Json& picture : recorded()["pictures"]) {
    if (picture["format"] == "BMP") continue;  // refused, see below
    formats.insert(picture["format"]);
    expect_pillows_pixels(picture, picture_path(picture["file"]));
  }
  EXPECT_THAT(formats, testing::ElementsAre("GIF", "JPEG", "PNG", "WEBP"));
}

// Frames that do not fill their canvas, maps that are too short, rare sampling and interlacing:
// made byte by byte in tools/image_goldens.py.
TEST(Decode, SoIsEveryOddPicture) {
  const std::string folder = TESSERA_IMAGE_DATA;
  const Json table = Json::parse(read_file(folder + "/pictures.json", 1 << 20));
  EXPECT_GE(table["pictures"].size(), 15U);
  for (const Json& picture : table["pictures"])
    expect_pillows_pixels(picture, folder + "/" + picture["file"].get<std::string>());
}

TEST(Decode, EveryPictureFitsTheModelAsPillowDoesIt) {
  PreprocessSpec spec;
  spec.mean = {0.48145466, 0.4578275, 0.40821073};
  for (const Json& picture : recorded()["pictures"]) {
    if (picture["format"] == "BMP") continue;
    SCOPED_TRACE(picture["file"].get<std::string>());
    const Image image = read_image(picture_path(picture["file"]));
    const Image square = pad_to_square(image, pad_colour(spec));
    EXPECT_EQ(square.width, picture["square_side"]);
    EXPECT_EQ(crc(square), from_hex(picture["square_crc"]));
    for (const bool pad : {true, false}) {
      for (const auto& [size, want] : picture[pad ? "padded_crc" : "cropped_crc"].items()) {
        spec.size = spec.crop = std::stoll(size);
        spec.pad_to_square = pad;
        EXPECT_EQ(crc(fit_to_model(image, spec)), from_hex(want)) << size << " pad " << pad;
      }
    }
  }
}

TEST(Decode, GoesByContentNotByName) {
  const Image image = decode_image(as_bytes(picture_bytes("grey.jpg")), "holiday.png");
  EXPECT_EQ(image.width, 61);
}

TEST(Decode, SaysWhatItIsWhenItIsNotAPicture) {
  const auto error = [](const std::string& bytes) {
    return error_of([&] { decode_image(as_bytes(bytes), "p"); });
  };
  EXPECT_EQ(error(""), "p: not a picture: expected a JPEG, PNG, WebP or GIF, found an empty file");
  EXPECT_THAT(error(picture_bytes("rgb.bmp")), HasSubstr("found a BMP"));
  EXPECT_THAT(error("II*\0abcd"), HasSubstr("found bytes 49 49 2a"));  // ends at the zero byte
  EXPECT_THAT(error(std::string("II*\0abcd", 8)), HasSubstr("found a TIFF"));
  EXPECT_THAT(error(std::string("\0\0\0\x1c"
                                "ftypavif",
                                12)),
              HasSubstr("found an AVIF"));
  EXPECT_THAT(error("hello, world"), HasSubstr("found bytes 68 65 6c 6c 6f 2c 20 77"));
  EXPECT_THAT(error("RIFF\4\0\0\0WAVE"), HasSubstr("not a picture"));
  EXPECT_THAT(error_of([] { read_image("/nowhere/p.png"); }), HasSubstr("No such file"));
  EXPECT_THAT(error_of([] { read_image(testing::TempDir()); }), HasSubstr("found a directory"));
}

TEST(Decode, HoldsTheLimits) {
  const std::string bytes = picture_bytes("rgb.png");  // 61 x 47
  const auto error = [&](const ImageLimits& limits) {
    return error_of([&] { decode_image(as_bytes(bytes), "p", limits); });
  };
  EXPECT_EQ(error({.max_pixels = 61 * 47}), "no error");
  EXPECT_THAT(error({.max_pixels = 61 * 47 - 1}), HasSubstr("at most 2866 in all, found 61 x 47"));
  EXPECT_EQ(error({.max_side = 61}), "no error");
  EXPECT_THAT(error({.max_side = 60}), HasSubstr("expected 1 to 60 pixels a side"));
  EXPECT_EQ(error({.max_file_bytes = bytes.size()}), "no error");
  EXPECT_THAT(error({.max_file_bytes = bytes.size() - 1}),
              HasSubstr("p: picture: expected at most"));
}

}  // namespace
}  // namespace tessera
