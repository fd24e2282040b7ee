#include "image/resize.h"

#include <algorithm>
#include <cassert>
#include <span>
#include <vector>

#include "image/resample_kernels.h"

namespace tessera {
namespace {

struct Span {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// The input samples that the taps touch.
Span reach(const Taps& taps) {
  Span span;
  for (const Taps::Range& range : taps.ranges) {
    if (range.count == 0) continue;
    if (span.size() == 0) span = {range.first, range.first};
    span.begin = std::min(span.begin, range.first);
    span.end = std::max(span.end, range.first + range.count);
  }
  return span;
}

/// Copies some columns of an image row into place `r` of a tile.
void fill_tile_row(const uint8_t* row, Span columns, int64_t r, uint8_t* tile) {
  uint8_t* out = tile + r * 3;
  for (int64_t x = columns.begin; x < columns.end; ++x, out += kResampleColumn) {
    out[0] = row[3 * x];
    out[1] = row[3 * x + 1];
    out[2] = row[3 * x + 2];
  }
}

struct Kernels {
  void (*narrow_tile)(const TilePass&);
  void (*blend_rows)(const RowPass&);
};

Kernels kernels_for([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx2) return {narrow_tile_avx2, blend_rows_avx2};
#endif
  return {narrow_tile_plain, blend_rows_plain};
}

/// The horizontal pass over the image's rows `span`: an image of the window's width.
Image narrow(const Canvas& canvas, const Taps& across, Span span, const Kernels& kernels) {
  const Span columns = reach(across);
  std::vector<uint8_t> tile(static_cast<size_t>(columns.size() * kResampleColumn));
  Image out = blank_image(across.outputs(), span.size());
  for (int64_t y = span.begin; y < span.end; y += kResampleRows) {
    const int64_t rows = std::min(kResampleRows, span.end - y);
    for (int64_t r = 0; r < rows; ++r)
      fill_tile_row(canvas.image.row(y + r), columns, r, tile.data());
    kernels.narrow_tile({.tile = tile.data(),
                         .origin = columns.begin,
                         .ranges = across.ranges.data(),
                         .outputs = across.outputs(),
                         .weights = across.weights.data(),
                         .ground = canvas.ground.data(),
                         .rows = rows,
                         .out = out.row(y - span.begin),
                         .out_stride = out.row_bytes()});
  }
  return out;
}

/// What the horizontal pass makes of a row of bare ground: not the ground itself everywhere, since
/// the weights of a column need not sum to exactly one.
std::vector<uint8_t> narrow_ground(const Canvas& canvas, Taps across, const Kernels& kernels) {
  clip_taps(across, 0, 0);
  std::vector<uint8_t> row(static_cast<size_t>(across.outputs() * 3));
  kernels.narrow_tile({.tile = nullptr,
                       .origin = 0,
                       .ranges = across.ranges.data(),
                       .outputs = across.outputs(),
                       .weights = across.weights.data(),
                       .ground = canvas.ground.data(),
                       .rows = 1,
                       .out = row.data(),
                       .out_stride = 0});
  return row;
}

}  // namespace

Image resize_bicubic(const Canvas& canvas, int64_t width, int64_t height, const Window& window,
                     Isa isa) {
  const Image& image = canvas.image;
  const Kernels kernels = kernels_for(isa);
  assert(window.width >= 1 && window.left >= 0 && window.left + window.width <= width);
  assert(window.height >= 1 && window.top >= 0 && window.top + window.height <= height);
  Taps across = bicubic_taps(canvas.width, width, window.left, window.left + window.width);
  Taps down = bicubic_taps(canvas.height, height, window.top, window.top + window.height);
  const std::vector<uint8_t> bare = narrow_ground(canvas, across, kernels);
  clip_taps(across, canvas.left, canvas.left + image.width);
  clip_taps(down, canvas.top, canvas.top + image.height);
  const Span used = reach(down);
  const Image narrowed = narrow(canvas, across, used, kernels);

  Image out = blank_image(window.width, window.height);
  std::vector<const uint8_t*> rows;
  std::vector<int32_t> weights;
  for (int64_t y = 0; y < window.height; ++y) {
    const Taps::Range& range = down.ranges[static_cast<size_t>(y)];
    rows.clear();
    for (int64_t t = 0; t < range.count; ++t)
      rows.push_back(narrowed.row(range.first + t - used.begin));
    const auto first = down.weights.begin() + range.offset;
    weights.assign(first, first + range.count);
    if (range.outside != 0) {
      rows.push_back(bare.data());
      weights.push_back(range.outside);
    }
    kernels.blend_rows({.rows = rows.data(),
                        .weights = weights.data(),
                        .count = static_cast<int64_t>(rows.size()),
                        .bytes = out.row_bytes(),
                        .out = out.row(y)});
  }
  return out;
}

Image resize_bicubic(const Image& image, int64_t width, int64_t height, Isa isa) {
  return resize_bicubic(Canvas{image, image.width, image.height}, width, height,
                        {0, 0, width, height}, isa);
}

}  // namespace tessera
