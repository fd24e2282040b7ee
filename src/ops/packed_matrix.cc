#include "ops/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/units.h"
#include "ops/convert.h"
#include "ops/pack_codes.h"
#include "tensor/tensor.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// One f32, or the bf16 of two neighbouring inputs: panels of floats are turned word by word.
using Word = uint32_t;

constexpr int64_t kTile = 8;        // words of a row turned at a time
constexpr int64_t kChunk = 256;     // words of a row converted at a time
constexpr int64_t kAlignment = 64;  // of panels, and of the codes behind the scales

// to[c * kPanelRows + r] = from[r][c] for a panel's 16 rows and 8 columns. SSE2 is part of x86-64,
// so this needs no choice at run time.
void transpose(const std::array<const Word*, kPanelRows>& from, Word* to) {
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

const std::byte* at(const void* from, DType dtype, int64_t index) {
  return static_cast<const std::byte*>(from) + index * dtype_bytes(dtype);
}

DType stored_as(const PackedMatrix& to) {
  return to.precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
}

// Inputs [first, first + count) of one row as words; the other half of a last odd one is 0.
void words_of(const PackedMatrix& to, const void* row, DType from_dtype, int64_t first,
              int64_t count, Word* words) {
  const DType stored = stored_as(to);
  words[(count * dtype_bytes(stored) - 1) / 4] = 0;
  const std::byte* from = at(row, from_dtype, first);
  if (from_dtype == stored)
    std::memcpy(words, from, static_cast<size_t>(count * dtype_bytes(stored)));
  else
    convert(from, from_dtype, words, stored, count);
}

// Rows of floats, [row, row + rows) all in one panel: whole tiles are turned in registers.
void pack_words(const PackedMatrix& to, int64_t row, int64_t rows, const void* from,
                DType from_dtype) {
  const int64_t per_word = 4 / dtype_bytes(stored_as(to));
  auto* panel = reinterpret_cast<Word*>(static_cast<std::byte*>(to.data) +
                                        row / kPanelRows * to.panel_bytes());
  alignas(64) std::array<std::array<Word, kChunk>, kPanelRows> buffer;
  for (int64_t first = 0; first < to.in; first += kChunk * per_word) {
    const int64_t inputs = std::min(kChunk * per_word, to.in - first);
    const int64_t words = (inputs + per_word - 1) / per_word;
    std::array<const Word*, kPanelRows> lines;
    for (int64_t r = 0; r < rows; ++r) {
      auto& line = buffer[static_cast<size_t>(r)];
      words_of(to, at(from, from_dtype, r * to.in), from_dtype, first, inputs, line.data());
      lines[static_cast<size_t>(r)] = line.data();
    }
    Word* out = panel + first / per_word * kPanelRows + row % kPanelRows;
    int64_t c = 0;
    if (rows == kPanelRows)
      for (; c + kTile <= words; c += kTile) {
        transpose(lines, out + c * kPanelRows);
        for (const Word*& line : lines) line += kTile;
      }
    for (; c < words; ++c)  // only the own lanes: a neighbour's may be written at the same time
      for (int64_t r = 0; r < rows; ++r) out[c * kPanelRows + r] = *lines[static_cast<size_t>(r)]++;
  }
}

void check(const PackedMatrix& to, bool holds, std::string what, std::string expected,
           std::string found) {
  if (holds) return;
  throw Error({.where = "pack_rows into " + std::string(precision_name(to.precision)) + " [" +
                        std::to_string(to.out) + ", " + std::to_string(to.in) + "]",
               .what = std::move(what),
               .expected = std::move(expected),
               .found = std::move(found)});
}

}  // namespace

int64_t PackedMatrix::chunk(bool wide) const {
  const WeightFormat f = format();
  const int64_t count = wide ? divide_up(in, f.wide_chunk) : (in + f.chunk / 2) / f.chunk;
  return divide_up(divide_up(in, std::max<int64_t>(1, count)), f.group) * f.group;
}

int64_t PackedMatrix::prepared_in() const {
  const int64_t values = chunks() * chunk();
  return format().wide_chunk == 0 ? values : std::max(values, chunks(true) * chunk(true));
}

int64_t PackedMatrix::padded_in() const {
  const int64_t quantum = format().quantum;
  return (in + quantum - 1) / quantum * quantum;
}

int64_t PackedMatrix::scale_bytes() const {
  if (!format().integer) return 0;
  return static_cast<int64_t>(
      round_up(static_cast<uint64_t>(groups() * kPanelRows * 2), kAlignment));
}

int64_t PackedMatrix::panel_bytes() const {
  const int64_t codes = padded_in() * kPanelRows * format().bits / 8;
  return scale_bytes() + static_cast<int64_t>(round_up(static_cast<uint64_t>(codes), kAlignment));
}

void check_pack_rows(const PackedMatrix& to, int64_t first_row, int64_t rows, DType from_dtype) {
  check(to, to.format().bits != 0, "matrix", "a precision that CPUs compute",
        std::string(precision_name(to.precision)));
  check(to, from_dtype == DType::kF32 || from_dtype == DType::kBF16 || from_dtype == DType::kF16,
        "source", "f32, bf16 or f16", std::string(dtype_name(from_dtype)));
  check(to, first_row >= 0 && rows >= 0 && first_row <= to.out - rows, "rows",
        "at most " + std::to_string(to.out),
        std::to_string(rows) + " from " + std::to_string(first_row));
}

void pack_rows(const PackedMatrix& to, int64_t first_row, int64_t rows, const void* from,
               DType from_dtype) {
  check_pack_rows(to, first_row, rows, from_dtype);
  for (int64_t done = 0; done < rows;) {
    const int64_t row = first_row + done;
    const int64_t count = std::min(rows - done, kPanelRows - row % kPanelRows);
    const void* source = at(from, from_dtype, done * to.in);
    if (to.format().integer)
      pack_codes(to, row, count, source, from_dtype);
    else
      pack_words(to, row, count, source, from_dtype);
    done += count;
  }
}

void pack_padding(const PackedMatrix& to) {
  if (to.out % kPanelRows == 0) return;
  const int64_t last = (to.panels() - 1) * to.panel_bytes();
  std::memset(static_cast<std::byte*>(to.data) + last, 0, static_cast<size_t>(to.panel_bytes()));
}

}  // namespace tessera
