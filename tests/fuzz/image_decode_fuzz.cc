#include <cstddef>
#include <cstdint>
#include <span>

#include "image/decode.h"
#include "image/preprocess.h"
#include "tessera/error.h"

// Any bytes as a picture, small enough that a run tries many; what decodes is fitted to a model
// both ways.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  try {
    const Image image = decode_image(std::as_bytes(std::span(data, size)), "fuzz",
                                     {.max_pixels = 1 << 16, .max_side = 4096});
    PreprocessSpec spec{.size = 14, .crop = 14, .std = {1, 1, 1}};
    to_pixels(fit_to_model(image, spec), spec);
    spec.pad_to_square = false;
    to_pixels(fit_to_model(image, spec), spec);
  } catch (const Error&) {
  }
  return 0;
}
