#include "ops/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "ops/convert.h"
#include "tensor/tensor.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int64_t kTile = 8;  // columns turned at a time

// to[c * kPanelRows + r] = from[r][c] for a panel's 16 rows and 8 columns. SSE2 is part of x86-64,
// so this needs no choice at run time.
void transpose(const std::array<const uint16_t*, kPanelRows>& from, uint16_t* to) {
#if defined(__SSE2__)
  for (size_t half = 0; half < 2; ++half) {
    __m128i row[8], pair[8], quad[8];
    for (size_t r = 0; r < 8; ++r)
      row[r] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[8 * half + r]));
    for (size_t i = 0; i < 4; ++i) {  // pair[2 i], pair[2 i + 1]: columns 0-3, 4-7 of two rows
      pair[2 * i] = _mm_unpacklo_epi16(row[2 * i], row[2 * i + 1]);
      pair[2 * i + 1] = _mm_unpackhi_epi16(row[2 * i], row[2 * i + 1]);
    }
    for (size_t i = 0; i < 2; ++i)  // quad[4 i + j]: columns 2 j, 2 j + 1 of four rows
      for (size_t j = 0; j < 2; ++j) {
        quad[4 * i + 2 * j] = _mm_unpacklo_epi32(pair[4 * i + j], pair[4 * i + 2 + j]);
        quad[4 * i + 2 * j + 1] = _mm_unpackhi_epi32(pair[4 * i + j], pair[4 * i + 2 + j]);
      }
    for (size_t j = 0; j < 4; ++j) {
      auto* out = reinterpret_cast<__m128i*>(to + 2 * j * kPanelRows + 8 * half);
      _mm_storeu_si128(out, _mm_unpacklo_epi64(quad[j], quad[4 + j]));
      _mm_storeu_si128(out + 2, _mm_unpackhi_epi64(quad[j], quad[4 + j]));
    }
  }
#else
  for (size_t r = 0; r < kPanelRows; ++r)
    for (size_t c = 0; c < kTile; ++c) to[c * kPanelRows + r] = from[r][c];
#endif
}

void transpose(const std::array<const uint32_t*, kPanelRows>& from, uint32_t* to) {
#if defined(__SSE2__)
  for (size_t c = 0; c < kTile; c += 4)
    for (size_t r = 0; r < kPanelRows; r += 4) {
      __m128 row[4];
      for (size_t i = 0; i < 4; ++i)
        row[i] =
            _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from[r + i] + c)));
      _MM_TRANSPOSE4_PS(row[0], row[1], row[2], row[3]);
      for (size_t i = 0; i < 4; ++i)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (c + i) * kPanelRows + r),
                         _mm_castps_si128(row[i]));
    }
#else
  for (size_t r = 0; r < kPanelRows; ++r)
    for (size_t c = 0; c < kTile; ++c) to[c * kPanelRows + r] = from[r][c];
#endif
}

// Columns of one row at a time; the conversion's room on the stack.
constexpr int64_t kChunk = 256;

const void* at(const void* from, DType dtype, int64_t index) {
  return static_cast<const std::byte*>(from) + index * dtype_bytes(dtype);
}

// A whole panel: 16 rows side by side, in chunks of columns.
template <typename Bits>
void pack_panel(const PackedMatrix& to, int64_t panel, const void* from, DType from_dtype) {
  alignas(64) std::array<std::array<Bits, kChunk>, kPanelRows> converted;
  Bits* out = static_cast<Bits*>(to.data) + panel * to.in * kPanelRows;
  for (int64_t first = 0; first < to.in; first += kChunk) {
    const int64_t count = std::min(kChunk, to.in - first);
    std::array<const Bits*, kPanelRows> rows;
    for (int64_t r = 0; r < kPanelRows; ++r) {
      const void* row = at(from, from_dtype, r * to.in + first);
      auto& buffer = converted[static_cast<size_t>(r)];
      if (from_dtype != to.dtype) convert(row, from_dtype, buffer.data(), to.dtype, count);
      rows[static_cast<size_t>(r)] =
          from_dtype == to.dtype ? static_cast<const Bits*>(row) : buffer.data();
    }
    int64_t c = 0;
    for (; c + kTile <= count; c += kTile) {
      transpose(rows, out + (first + c) * kPanelRows);
      for (const Bits*& row : rows) row += kTile;
    }
    for (; c < count; ++c)
      for (size_t r = 0; r < kPanelRows; ++r)
        out[(first + c) * kPanelRows + static_cast<int64_t>(r)] = *rows[r]++;
  }
}

// One row, for panels that several sources share. Writes only its own lane: the neighbours' may be
// written at the same time.
template <typename Bits>
void pack_row(const PackedMatrix& to, int64_t row, const void* from, DType from_dtype) {
  std::array<Bits, kChunk> converted;
  Bits* out =
      static_cast<Bits*>(to.data) + row / kPanelRows * to.in * kPanelRows + row % kPanelRows;
  for (int64_t first = 0; first < to.in; first += kChunk) {
    const int64_t count = std::min(kChunk, to.in - first);
    convert(at(from, from_dtype, first), from_dtype, converted.data(), to.dtype, count);
    for (int64_t c = 0; c < count; ++c)
      out[(first + c) * kPanelRows] = converted[static_cast<size_t>(c)];
  }
}

template <typename Bits>
void pack(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
          DType from_dtype) {
  for (int64_t r = 0; r < rows;) {
    const int64_t row = first_row + r;
    const void* source = at(from, from_dtype, r * to.in);
    if (row % kPanelRows == 0 && rows - r >= kPanelRows) {
      pack_panel<Bits>(to, row / kPanelRows, source, from_dtype);
      r += kPanelRows;
    } else {
      pack_row<Bits>(to, row, source, from_dtype);
      ++r;
    }
  }
}

void check(const PackedMatrix& to, bool holds, std::string what, std::string expected,
           std::string found) {
  if (holds) return;
  throw Error({.where = "pack_rows into " + describe(to.dtype, {to.out, to.in}),
               .what = std::move(what),
               .expected = std::move(expected),
               .found = std::move(found)});
}

}  // namespace

uint64_t PackedMatrix::bytes(DType dtype, int64_t out, int64_t in) {
  const PackedMatrix shape = {.dtype = dtype, .out = out, .in = in};
  return static_cast<uint64_t>(shape.panels() * kPanelRows * in * dtype_bytes(dtype));
}

void pack_rows(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
               DType from_dtype) {
  check(to, to.dtype == DType::kF32 || to.dtype == DType::kBF16, "matrix", "f32 or bf16",
        std::string(dtype_name(to.dtype)));
  check(to, from_dtype == DType::kF32 || from_dtype == DType::kBF16 || from_dtype == DType::kF16,
        "source", "f32, bf16 or f16", std::string(dtype_name(from_dtype)));
  check(to, first_row >= 0 && rows >= 0 && first_row <= to.out - rows, "rows",
        "at most " + std::to_string(to.out),
        std::to_string(rows) + " from " + std::to_string(first_row));
  if (to.dtype == DType::kF32)
    pack<uint32_t>(to, first_row, rows, from, from_dtype);
  else
    pack<uint16_t>(to, first_row, rows, from, from_dtype);
}

void pack_padding(const PackedMatrix& to) {
  const int64_t used = to.out % kPanelRows;
  if (used == 0) return;
  const auto element = static_cast<size_t>(dtype_bytes(to.dtype));
  auto* panel = static_cast<std::byte*>(to.data) +
                (to.panels() - 1) * to.in * kPanelRows * dtype_bytes(to.dtype);
  for (int64_t i = 0; i < to.in; ++i)
    std::memset(panel + static_cast<size_t>(i * kPanelRows + used) * element, 0,
                static_cast<size_t>(kPanelRows - used) * element);
}

}  // namespace tessera
