// Decoding and fitting pictures for Yi-VL (448 x 448), the best of several runs, in CPU time:
//   image_bench RUNS FILE...
// bench/image/pillow_times.py prints the same for Pillow; run them in turns.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <string>

#include "image/decode.h"
#include "image/preprocess.h"
#include "tessera/error.h"

namespace tessera {
namespace {

template <typename Call>
double best_ms(int runs, const Call& call) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const std::clock_t start = std::clock();
    call();
    best = std::min(best, 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

void measure(const std::string& path, int runs) {
  PreprocessSpec spec{.size = 448,
                      .crop = 448,
                      .mean = {0.48145466, 0.4578275, 0.40821073},
                      .std = {0.26862954, 0.26130258, 0.27577711}};
  Image image, fitted;
  const double decode = best_ms(runs, [&] { image = read_image(path); });
  const double pad = best_ms(runs, [&] { fitted = fit_to_model(image, spec); });
  spec.pad_to_square = false;
  const double crop = best_ms(runs, [&] { fitted = fit_to_model(image, spec); });
  const double pixels = best_ms(runs, [&] { to_pixels(fitted, spec); });
  fmt::print(
      "{:32} {:5} x {:<5} decode {:8.2f} ms  pad+resize {:7.2f} ms  resize+crop {:7.2f} ms"
      "  normalise {:5.2f} ms\n",
      path.substr(path.rfind('/') + 1), image.width, image.height, decode, pad, crop, pixels);
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  try {
    for (int i = 2; i < argc; ++i) tessera::measure(argv[i], std::max(1, std::atoi(argv[1])));
  } catch (const tessera::Error& e) {
    fmt::print(stderr, "image_bench: {}\n", e.what());
    return 1;
  }
  return 0;
}
