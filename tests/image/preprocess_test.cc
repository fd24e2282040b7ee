#include "image/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "image/resize.h"
#include "tests/image/pictures.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

PreprocessSpec yi_vl() {
  return {.size = 448,
          .crop = 448,
          .mean = {0.48145466, 0.4578275, 0.40821073},
          .std = {0.26862954, 0.26130258, 0.27577711}};
}

struct Recorded {
  int64_t width, height;
  uint32_t source, squared, resized;
};

// From expand2square and CLIPImageProcessor 4.36.2, on Pillow 9.4 and 13.0.
constexpr std::array kPadded = {
    Recorded{640, 480, 0x38f60158, 0x91caba11, 0x88072398},
    Recorded{480, 641, 0xecac71f6, 0xaaf0e78d, 0xa1eff707},
    Recorded{100, 37, 0xa7c39215, 0x46047091, 0x4277806a},
    Recorded{448, 448, 0x15dc6d7f, 0x15dc6d7f, 0x15dc6d7f},
    Recorded{1000, 1, 0x55d9c96f, 0xac9aad51, 0x9768e059},
    Recorded{3, 5, 0xcdbbe0ea, 0x752593f6, 0xbe974bc5},
};

TEST(Preprocess, PadPathIsPillowsBitForBit) {
  EXPECT_EQ(pad_colour(yi_vl()), (Colour{122, 116, 104}));
  for (const Recorded& want : kPadded) {
    SCOPED_TRACE(want.width);
    const Image image = pattern(want.width, want.height);
    ASSERT_EQ(crc(image), want.source);
    const Image square = pad_to_square(image, {122, 116, 104});
    EXPECT_EQ(square.width, std::max(want.width, want.height));
    EXPECT_EQ(square.height, square.width);
    EXPECT_EQ(crc(square), want.squared);
    EXPECT_EQ(crc(resize_bicubic(square, 448, 448)), want.resized);
    EXPECT_EQ(crc(fit_to_model(image, yi_vl())), want.resized);
  }
}

TEST(Preprocess, CropPathIsPillowsBitForBit) {
  PreprocessSpec spec = yi_vl();
  spec.pad_to_square = false;
  EXPECT_EQ(crc(fit_to_model(pattern(640, 480), spec)), 0x0bdd37b6U);
  EXPECT_EQ(crc(fit_to_model(pattern(480, 641), spec)), 0xb5b1b686U);
}

TEST(Preprocess, ExtremesCostNoMoreThanTheirPixels) {
  // Stored, the square would take 12.9 GB, and the crop path's resized strip 88 GB.
  for (const bool pad : {true, false}) {
    PreprocessSpec spec = yi_vl();
    spec.pad_to_square = pad;
    for (const auto& [w, h] : {std::pair<int64_t, int64_t>{65535, 1}, {1, 65535}, {1, 1}, {3, 3}}) {
      const Image fitted = fit_to_model(pattern(w, h), spec);
      EXPECT_EQ(fitted.rgb.size(), 448U * 448 * 3) << w << " x " << h;
    }
  }
}

TEST(Preprocess, CropsTheMiddleOfALargerResize) {
  PreprocessSpec spec = yi_vl();
  spec.crop = 101;
  const Image image = pattern(300, 200), square = pad_to_square(image, pad_colour(spec));
  const Image resized = resize_bicubic(square, 448, 448), fitted = fit_to_model(image, spec);
  for (int64_t y = 0; y < 101; ++y)
    ASSERT_TRUE(
        std::equal(fitted.row(y), fitted.row(y) + 303, resized.row(173 + y) + int64_t{3} * 173));
}

TEST(Preprocess, PixelsAreNormalisedAsInTheReference) {
  PreprocessSpec spec = yi_vl();
  spec.size = spec.crop = 2;
  Image fitted = blank_image(2, 2);
  const std::array<uint8_t, 4> values = {0, 1, 127, 255};
  for (size_t p = 0; p < 4; ++p)
    std::fill_n(fitted.rgb.begin() + static_cast<int64_t>(3 * p), 3, values[p]);
  const std::vector<float> pixels = to_pixels(fitted, spec);
  // Bits of CLIPImageProcessor 4.36.2's result, channel by channel.
  constexpr std::array<uint32_t, 12> kWant = {0xbfe568dc, 0xbfe38a7f, 0x3d7ce092, 0x3ff71541,
                                              0xbfe044b8, 0xbfde58f1, 0x3e1d9531, 0x4004cae5,
                                              0xbfbd77d8, 0xbfbba5e1, 0x3ea6c5e6, 0x40095660};
  ASSERT_EQ(pixels.size(), kWant.size());
  for (size_t i = 0; i < kWant.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(pixels[i]), kWant[i]) << i;
}

TEST(Preprocess, ChannelsAndPlacesStayWhereTheyAre) {
  PreprocessSpec spec;
  spec.size = spec.crop = 3;
  spec.mean = {0, 0, 0};
  spec.std = {1, 1, 1};
  spec.rescale = 1;
  const Image image = pattern(3, 3);  // a side of 3: the channel axis must not be guessed
  const std::vector<float> pixels = to_pixels(fit_to_model(image, spec), spec);
  for (size_t p = 0; p < 9; ++p)
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ(pixels[c * 9 + p], image.rgb[3 * p + c]);
}

TEST(Preprocess, RefusesASpecThatContradictsItself) {
  PreprocessSpec spec = yi_vl();
  spec.crop = 449;
  EXPECT_THAT(error_of([&] { fit_to_model(pattern(4, 4), spec); }),
              testing::HasSubstr("found crop 449 of size 448"));
}

}  // namespace
}  // namespace tessera
