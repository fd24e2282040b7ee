#include "ops/packed_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "ops/convert.h"
#include "ops/quantise.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// The values as the bytes of a file in `dtype`, and as what those bytes mean.
struct Source {
  Source(DType type, int64_t count) : dtype(type), values(normal(count, 1)) {
    bytes.resize(static_cast<size_t>(count * dtype_bytes(type)));
    if (type == DType::kF16) {  // small whole numbers and their halves are exact
      auto* halves = reinterpret_cast<uint16_t*>(bytes.data());
      for (size_t i = 0; i < values.size(); ++i) halves[i] = static_cast<uint16_t>(i * 2654435761U);
      for (size_t i = 0; i < values.size(); ++i) halves[i] &= 0xbfff;  // finite
      convert(halves, DType::kF16, values.data(), DType::kF32, count);
    } else {
      convert(values.data(), DType::kF32, bytes.data(), type, count);
      convert(bytes.data(), type, values.data(), DType::kF32, count);
    }
  }
  const std::byte* row(int64_t r, int64_t in) const {
    return bytes.data() + r * in * dtype_bytes(dtype);
  }
  DType dtype;
  std::vector<float> values;
  std::vector<std::byte> bytes;
};

// Memory of a packed matrix, aligned as device memory is.
struct Memory {
  Memory(Precision precision, int64_t out, int64_t in)
      : bytes(PackedMatrix::bytes(precision, out, in)),
        data(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), &std::free),
        matrix{data.get(), nullptr, precision, out, in} {
    std::memset(data.get(), 0xee, bytes);
  }
  std::vector<std::byte> copy() const { return {data.get(), data.get() + bytes}; }
  uint64_t bytes;
  std::unique_ptr<std::byte, void (*)(void*)> data;
  PackedMatrix matrix;
};

// The length of the block that input i of a group of `count` is rotated in.
int64_t block_of(int64_t count, int64_t i) {
  for (int64_t block = 128;; block /= 2) {
    if (block > count) continue;
    if (i < block) return block;
    i -= block;
    count -= block;
  }
}

// Row-major values as each precision means them: rounded, or quantised group by group.
std::vector<double> stored(Precision precision, int64_t in, const std::vector<float>& values) {
  const WeightFormat format = weight_format(precision);
  std::vector<double> out;
  const int64_t padded_in = PackedMatrix{.precision = precision, .in = in}.padded_in();
  for (auto row = values.begin(); row != values.end(); row += in)
    for (int64_t first = 0; first < padded_in; first += format.group) {
      const int64_t count = std::min(format.group, padded_in - first);
      std::vector<float> group(row + first, row + std::min(first + format.group, in));
      group.resize(static_cast<size_t>(count));
      if (format.bits == 8) rotate_group(group);
      for (int64_t i = 0; format.bits == 8 && i < count; ++i)  // over the length of i's block
        group[static_cast<size_t>(i)] /= static_cast<float>(block_of(count, i));
      alignas(64) float lanes[128 * 16] = {};
      for (int64_t i = 0; i < count; ++i) lanes[i * 16] = group[static_cast<size_t>(i)];
      alignas(64) uint8_t words[128 * 16], codes[128];
      uint16_t scales[16];
      if (format.integer) quantise_plain(lanes, format.bits, words, scales);
      for (int64_t i = 0; i < count; ++i) codes[i] = words[i / 4 * 64 + i % 4];
      const double scale = f32_from_bf16(scales[0]);
      for (int64_t i = 0; i < count; ++i)
        out.push_back(format.integer ? (codes[i] - (1 << (format.bits - 1))) * scale
                      : format.bits == 16
                          ? f32_from_bf16(bf16_from_f32(group[static_cast<size_t>(i)]))
                          : group[static_cast<size_t>(i)]);
    }
  return out;
}

TEST(PackedMatrix, EveryElementIsWhereTheLayoutSays) {
  for (const Precision to : kStored)
    for (const DType from : {DType::kF32, DType::kBF16, DType::kF16})
      for (const int64_t out : {1, 15, 16, 17, 50})
        for (const int64_t in : {1, 7, 8, 9, 31, 64, 100, 256, 257, 530}) {
          const Source source(from, out * in);
          const Memory memory(to, out, in);
          pack_padding(memory.matrix);
          pack_rows(memory.matrix, 0, out, source.bytes.data(), from);
          EXPECT_EQ(meaning(memory.matrix), stored(to, in, source.values))
              << dtype_name(from) << " to " << precision_name(to) << " [" << out << ", " << in
              << "]";
        }
}

TEST(PackedMatrix, BytesAreThoseOfTheFormat) {
  const auto bits = [](Precision precision) {
    return 8.0 * static_cast<double>(PackedMatrix::bytes(precision, 4096, 4096)) / (4096 * 4096);
  };
  EXPECT_EQ(bits(Precision::kF32), 32);
  EXPECT_EQ(bits(Precision::kBF16), 16);
  EXPECT_EQ(bits(Precision::kInt8), 8.125);
  EXPECT_EQ(bits(Precision::kInt6), 6.25);
  EXPECT_EQ(bits(Precision::kInt5), 5.25);
  EXPECT_EQ(bits(Precision::kInt4), 4.25);
}

TEST(PackedMatrix, StacksSourcesFromSeveralThreads) {
  const int64_t in = 140, out = 100;
  const Source source(DType::kBF16, out * in);
  for (const Precision to : kStored) {
    const Memory whole(to, out, in), parts(to, out, in);
    pack_padding(whole.matrix);
    pack_rows(whole.matrix, 0, out, source.bytes.data(), DType::kBF16);
    pack_padding(parts.matrix);
    std::vector<std::thread> threads;
    const std::vector<int64_t> cuts = {0, 5, 37, 38, 64, 100};  // all share panels with a neighbour
    for (size_t i = 0; i + 1 < cuts.size(); ++i)
      threads.emplace_back([&, first = cuts[i], last = cuts[i + 1]] {
        pack_rows(parts.matrix, first, last - first, source.row(first, in), DType::kBF16);
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(meaning(parts.matrix), meaning(whole.matrix)) << precision_name(to);
  }
}

TEST(PackedMatrix, RefusesRowsOutsideAndOtherTypes) {
  std::vector<float> memory(16 * 4);
  const PackedMatrix matrix = {memory.data(), nullptr, Precision::kF32, 10, 4};
  EXPECT_EQ(error_of([&] { pack_rows(matrix, 8, 3, memory.data(), DType::kF32); }),
            "pack_rows into f32 [10, 4]: rows: expected at most 10, found 3 from 8");
  EXPECT_NE(error_of([&] { pack_rows(matrix, -1, 1, memory.data(), DType::kF32); }), "no error");
  EXPECT_NE(error_of([&] { pack_rows(matrix, 1, INT64_MAX, memory.data(), DType::kF32); }),
            "no error");
  EXPECT_EQ(error_of([&] { pack_rows(matrix, 0, 1, memory.data(), DType::kI8); }),
            "pack_rows into f32 [10, 4]: source: expected f32, bf16 or f16, found i8");
  const PackedMatrix foreign = {memory.data(), nullptr, Precision::kFp8, 10, 4};
  EXPECT_EQ(
      error_of([&] { pack_rows(foreign, 0, 1, memory.data(), DType::kF32); }),
      "pack_rows into fp8 [10, 4]: matrix: expected a precision that CPUs compute, found fp8");
}

}  // namespace
}  // namespace tessera
