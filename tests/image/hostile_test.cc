#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <random>

#include "image/decode.h"
#include "tests/image/pictures.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

// One small file of each decoder path.
constexpr std::array kVictims = {"grey.jpg",         "progressive.jpg", "cmyk.jpg",
                                 "palette_4bit.png", "grey_2bit.png",   "rgb_colour_key.png",
                                 "tiny_3x5.png",     "lossy.webp",      "alpha.webp",
                                 "still.gif",        "transparent.gif"};

TEST(HostilePicture, TruncatedAnywhereItIsAnErrorOrStillWhole) {
  for (const char* name : kVictims) {
    const std::string bytes = picture_bytes(name);
    const Image whole = decode_image(as_bytes(bytes), name);
    size_t harmless = 0;  // cuts that took no pixel away
    for (size_t length = 0; length < bytes.size(); ++length) {
      const auto cut = as_bytes(bytes).first(length);
      std::string error = "no error";
      try {
        EXPECT_EQ(decode_image(cut, name).rgb, whole.rgb) << name << " at " << length;
        ++harmless;
      } catch (const Error& e) {
        error = e.what();
        EXPECT_THAT(error, HasSubstr(name));
      }
      if (length + 64 < bytes.size()) {
        EXPECT_NE(error, "no error") << name << " at " << length;
      }
    }
    RecordProperty(name, static_cast<int>(harmless));
  }
}

TEST(HostilePicture, FlippedBitsNeverCrash) {
  std::mt19937 random(7);
  const ImageLimits limits{.max_pixels = 1 << 20};
  for (const char* name : kVictims) {
    const std::string bytes = picture_bytes(name);
    for (int trial = 0; trial < 400; ++trial) {
      std::string damaged = bytes;
      for (int flips = 1 + trial % 4; flips > 0; --flips)
        damaged[random() % damaged.size()] ^= static_cast<char>(1U << random() % 8);
      try {
        const Image image = decode_image(as_bytes(damaged), name, limits);
        EXPECT_EQ(static_cast<int64_t>(image.rgb.size()), image.height * image.row_bytes());
      } catch (const Error&) {
      }
    }
  }
}

void put_u16_le(std::string& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<char>(value & 255);
  bytes[at + 1] = static_cast<char>(value >> 8);
}
void put_u16_be(std::string& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value & 255);
}

/// The pictures with their declared sides replaced.
std::string jpeg_of_size(uint32_t width, uint32_t height) {
  std::string bytes = picture_bytes("grey.jpg");
  const size_t frame = bytes.find("\xff\xc0");
  put_u16_be(bytes, frame + 5, height);
  put_u16_be(bytes, frame + 7, width);
  return bytes;
}
std::string png_of_size(uint32_t width, uint32_t height) {
  std::string bytes = picture_bytes("grey_2bit.png");
  put_u16_be(bytes, 18, width);
  put_u16_be(bytes, 22, height);
  const auto sum =
      static_cast<uint32_t>(crc32(0, reinterpret_cast<const uint8_t*>(bytes.data()) + 12, 17));
  put_u16_be(bytes, 29, sum >> 16);
  put_u16_be(bytes, 31, sum & 0xffff);
  return bytes;
}
std::string gif_of_size(uint32_t width, uint32_t height) {
  std::string bytes = picture_bytes("still.gif");
  put_u16_le(bytes, 6, width);
  put_u16_le(bytes, 8, height);
  return bytes;
}
std::string webp_of_size(uint32_t width, uint32_t height) {  // 14 bits a side
  std::string bytes = picture_bytes("lossy.webp");
  put_u16_le(bytes, 26, width);
  put_u16_le(bytes, 28, height);
  return bytes;
}

int64_t peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(HostilePicture, BombsAreRefusedByTheirHeaders) {
  const int64_t before_kib = peak_kib();
  for (const std::string& bomb :
       {jpeg_of_size(60000, 60000), png_of_size(60000, 60000), gif_of_size(60000, 60000),
        webp_of_size(16383, 16383), jpeg_of_size(0, 10), png_of_size(0, 10), gif_of_size(0, 10)}) {
    const std::clock_t start = std::clock();  // of this process: others delay nothing
    EXPECT_NE(error_of([&] { decode_image(as_bytes(bomb), "bomb"); }), "no error");
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC / 10);
  }
  EXPECT_THAT(error_of([] { decode_image(as_bytes(png_of_size(60000, 60000)), "bomb"); }),
              HasSubstr("bomb: picture size: expected 1 to 65535 pixels a side"));
  EXPECT_THAT(error_of([] { decode_image(as_bytes(webp_of_size(16383, 16383)), "bomb"); }),
              HasSubstr("found 16383 x 16383"));
  EXPECT_LT(peak_kib() - before_kib, 16 * 1024);
}

TEST(HostilePicture, RowsThatAreNotThereTakeNoMemory) {
  // Within the limits, so that only the missing data can stop it: 363 MB once decoded.
  const int64_t before_kib = peak_kib();
  for (const std::string& bomb : {jpeg_of_size(11000, 11000), png_of_size(11000, 11000)})
    EXPECT_NE(error_of([&] { decode_image(as_bytes(bomb), "bomb"); }), "no error");
  EXPECT_LT(peak_kib() - before_kib, 64 * 1024);  // AddressSanitizer itself takes an eighth
}

TEST(HostilePicture, EndlessScansEnd) {
  // The second scan of a progressive picture (the first to hold AC terms), again and again: each
  // time it only overwrites what it has written.
  const std::string bytes = picture_bytes("progressive.jpg");
  const size_t scan = bytes.find("\xff\xda", bytes.find("\xff\xda") + 2);
  size_t end = scan + 2;
  while (bytes[end] != '\xff' || bytes[end + 1] == '\0') ++end;
  std::string endless = bytes.substr(0, scan);
  for (int i = 0; i < 200; ++i) endless += bytes.substr(scan, end - scan);
  EXPECT_EQ(error_of([&] { decode_image(as_bytes(endless + bytes.substr(end)), "p"); }),
            "p: JPEG picture: more than 100 scans");
}

/// A chunk with its length and its checksum.
std::string png_chunk(const std::string& type_and_data) {
  std::string chunk(4, '\0');
  const size_t length = type_and_data.size() - 4;
  put_u16_be(chunk, 0, static_cast<uint32_t>(length >> 16));
  put_u16_be(chunk, 2, static_cast<uint32_t>(length & 0xffff));
  const auto sum =
      static_cast<uint32_t>(crc32(0, reinterpret_cast<const uint8_t*>(type_and_data.data()),
                                  static_cast<unsigned>(type_and_data.size())));
  chunk += type_and_data + std::string(4, '\0');
  put_u16_be(chunk, chunk.size() - 4, sum >> 16);
  put_u16_be(chunk, chunk.size() - 2, sum & 0xffff);
  return chunk;
}

TEST(HostilePicture, TextChunksOfAPngAreSkippedNotInflated) {
  // 40 texts of 7 MiB of spaces, a few KiB each as they are stored.
  const std::string spaces(7 << 20, ' ');
  std::string text(64 << 10, '\0');
  uLongf length = text.size();
  ASSERT_EQ(compress(reinterpret_cast<uint8_t*>(text.data()), &length,
                     reinterpret_cast<const uint8_t*>(spaces.data()), spaces.size()),
            Z_OK);
  text.resize(length);
  std::string bytes = picture_bytes("grey_2bit.png");
  const Image plain = decode_image(as_bytes(bytes), "p");
  for (int i = 0; i < 40; ++i)
    bytes.insert(33, png_chunk(std::string("zTXtkey\0\0", 9) + text));  // after IHDR
  const int64_t before_kib = peak_kib();
  EXPECT_EQ(decode_image(as_bytes(bytes), "p").rgb, plain.rgb);
  EXPECT_LT(peak_kib() - before_kib, 16 * 1024);
}

}  // namespace
}  // namespace tessera
