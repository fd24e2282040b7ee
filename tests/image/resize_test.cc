#include "image/resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/image/pictures.h"

namespace tessera {
namespace {

/// The definition, one sample at a time: weights in f64, rounded to 22 bits after the point.
std::vector<int> naive_axis(const std::vector<int>& in, int64_t out_size) {
  const auto cubic = [](double t) {
    t = std::fabs(t);
    if (t < 1.0) return ((-0.5 + 2.0) * t - (-0.5 + 3.0)) * t * t + 1.0;
    if (t < 2.0) return (((t - 5) * t + 8) * t - 4) * -0.5;
    return 0.0;
  };
  const auto n = static_cast<int64_t>(in.size());
  if (n == out_size) return in;
  const double scale = static_cast<double>(n) / static_cast<double>(out_size);
  const double fs = scale < 1.0 ? 1.0 : scale;
  std::vector<int> out;
  for (int64_t i = 0; i < out_size; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    auto lo = static_cast<int64_t>(center - 2.0 * fs + 0.5);
    auto hi = static_cast<int64_t>(center + 2.0 * fs + 0.5);
    if (lo < 0) lo = 0;
    if (hi > n) hi = n;
    std::vector<double> w;
    double ww = 0;
    for (int64_t x = 0; x < hi - lo; ++x) {
      w.push_back(cubic((static_cast<double>(x + lo) - center + 0.5) * (1.0 / fs)));
      ww += w.back();
    }
    int64_t sum = 1 << 21;
    for (int64_t x = 0; x < hi - lo; ++x) {
      double k = w[static_cast<size_t>(x)];
      if (ww != 0.0) k /= ww;
      sum += static_cast<int64_t>(k * 4194304.0 + (k < 0 ? -0.5 : 0.5)) *
             in[static_cast<size_t>(lo + x)];
    }
    sum >>= 22;
    out.push_back(static_cast<int>(sum < 0 ? 0 : sum > 255 ? 255 : sum));
  }
  return out;
}

Image naive_resize(const Image& image, int64_t width, int64_t height) {
  Image narrow = blank_image(width, image.height), out = blank_image(width, height);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < image.height; ++y) {
      std::vector<int> line;
      for (int64_t x = 0; x < image.width; ++x) line.push_back(image.row(y)[3 * x + c]);
      const std::vector<int> shorter = naive_axis(line, width);
      for (int64_t x = 0; x < width; ++x)
        narrow.row(y)[3 * x + c] = static_cast<uint8_t>(shorter[static_cast<size_t>(x)]);
    }
    for (int64_t x = 0; x < width; ++x) {
      std::vector<int> line;
      for (int64_t y = 0; y < image.height; ++y) line.push_back(narrow.row(y)[3 * x + c]);
      const std::vector<int> shorter = naive_axis(line, height);
      for (int64_t y = 0; y < height; ++y)
        out.row(y)[3 * x + c] = static_cast<uint8_t>(shorter[static_cast<size_t>(y)]);
    }
  }
  return out;
}

/// Hard edges, so that the filter overshoots and clips.
Image random_image(std::mt19937& random, int64_t width, int64_t height) {
  Image image = blank_image(width, height);
  for (uint8_t& v : image.rgb) {
    const auto r = static_cast<uint32_t>(random());
    v = static_cast<uint8_t>(r % 3 == 0 ? 0 : r % 3 == 1 ? 255 : r >> 24);
  }
  return image;
}

/// Every instruction set that this machine has.
std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::kPlain, Isa::kAvx2, Isa::kAvx512})
    if (isa <= best_isa()) all.push_back(isa);
  return all;
}

TEST(Resize, MatchesTheFormulaAtRandomSizes) {
  std::mt19937 random(1);
  const auto side = [&](uint32_t most) { return static_cast<int64_t>(1 + random() % most); };
  for (int trial = 0; trial < 200; ++trial) {
    const Image image = random_image(random, side(90), side(90));
    const int64_t width = trial % 5 == 0 ? image.width : side(120);
    const int64_t height = trial % 7 == 0 ? image.height : side(120);
    const Image want = naive_resize(image, width, height);
    for (const Isa isa : isas())
      ASSERT_EQ(resize_bicubic(image, width, height, isa).rgb, want.rgb)
          << image.width << " x " << image.height << " to " << width << " x " << height << ", "
          << isa_name(isa);
  }
}

TEST(Resize, MatchesTheFormulaWhenShrinkingAndGrowingALot) {
  std::mt19937 random(2);
  for (const auto& [w, h, to_w, to_h] :
       {std::array<int64_t, 4>{5000, 3, 7, 3}, {3, 5000, 1, 1}, {1, 1, 300, 2}, {2, 1, 1000, 1}}) {
    const Image image = random_image(random, w, h);
    for (const Isa isa : isas())
      EXPECT_EQ(resize_bicubic(image, to_w, to_h, isa).rgb, naive_resize(image, to_w, to_h).rgb)
          << w << " x " << h << ", " << isa_name(isa);
  }
}

TEST(Resize, AWindowOfACanvasIsCutFromTheWhole) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const auto draw = [&](int64_t from, int64_t to) {
      return from + static_cast<int64_t>(random() % static_cast<uint32_t>(to - from + 1));
    };
    const Image image = random_image(random, draw(1, 40), draw(1, 40));
    Canvas canvas{image, image.width + draw(0, 30), image.height + draw(0, 30)};
    canvas.left = draw(0, canvas.width - image.width);
    canvas.top = draw(0, canvas.height - image.height);
    canvas.ground = {255, 0, 77};
    Image whole = blank_image(canvas.width, canvas.height);
    for (int64_t y = 0; y < canvas.height; ++y)
      for (int64_t x = 0; x < canvas.width; ++x) {
        const int64_t ix = x - canvas.left, iy = y - canvas.top;
        const bool in = ix >= 0 && ix < image.width && iy >= 0 && iy < image.height;
        std::copy_n(in ? image.row(iy) + 3 * ix : canvas.ground.data(), 3, whole.row(y) + 3 * x);
      }
    const int64_t width = draw(1, 60), height = draw(1, 60);
    const Image resized = naive_resize(whole, width, height);
    Window window{draw(0, width - 1), draw(0, height - 1), 0, 0};
    window.width = draw(1, width - window.left);
    window.height = draw(1, height - window.top);
    for (const Isa isa : isas()) {
      const Image got = resize_bicubic(canvas, width, height, window, isa);
      ASSERT_EQ(got.width, window.width);
      ASSERT_EQ(got.height, window.height);
      for (int64_t y = 0; y < got.height; ++y)
        ASSERT_TRUE(std::equal(got.row(y), got.row(y) + got.row_bytes(),
                               resized.row(window.top + y) + 3 * window.left))
            << "trial " << trial << " row " << y << ", " << isa_name(isa);
    }
  }
}

TEST(Resize, TheSameSizeIsACopy) {
  const Image image = pattern(31, 17);
  EXPECT_EQ(resize_bicubic(image, 31, 17).rgb, image.rgb);
}

}  // namespace
}  // namespace tessera
