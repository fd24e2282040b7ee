#include "ops/packed_matrix.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "ops/convert.h"
#include "tests/ops/cpu.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// The bits of every element after packing by the layout's definition: one number at a time.
std::vector<uint32_t> packed_by_definition(DType to, int64_t out, int64_t in,
                                           const std::vector<float>& values) {
  std::vector<uint32_t> bits(static_cast<size_t>((out + 15) / 16 * 16 * in), 0);
  for (int64_t o = 0; o < out; ++o)
    for (int64_t i = 0; i < in; ++i) {
      const float value = values[static_cast<size_t>(o * in + i)];
      bits[static_cast<size_t>((o / 16 * in + i) * 16 + o % 16)] =
          to == DType::kF32 ? std::bit_cast<uint32_t>(value) : bf16_from_f32(value);
    }
  return bits;
}

std::vector<uint32_t> bits_of(DType dtype, const std::vector<std::byte>& bytes) {
  std::vector<uint32_t> bits;
  const auto* narrow = reinterpret_cast<const uint16_t*>(bytes.data());
  const auto* wide = reinterpret_cast<const uint32_t*>(bytes.data());
  for (size_t i = 0; i < bytes.size() / static_cast<size_t>(dtype_bytes(dtype)); ++i)
    bits.push_back(dtype == DType::kF32 ? wide[i] : narrow[i]);
  return bits;
}

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

TEST(PackedMatrix, EveryElementIsWhereTheLayoutSays) {
  for (const DType to : {DType::kF32, DType::kBF16})
    for (const DType from : {DType::kF32, DType::kBF16, DType::kF16})
      for (const int64_t out : {1, 15, 16, 17, 48, 50})
        for (const int64_t in : {1, 7, 8, 9, 31, 256, 257, 530}) {
          const Source source(from, out * in);
          std::vector<std::byte> memory(PackedMatrix::bytes(to, out, in), std::byte{0xee});
          const PackedMatrix matrix = {memory.data(), nullptr, to, out, in};
          pack_rows(matrix, 0, out, source.bytes.data(), from);
          pack_padding(matrix);
          EXPECT_EQ(bits_of(to, memory), packed_by_definition(to, out, in, source.values))
              << dtype_name(from) << " to " << dtype_name(to) << " [" << out << ", " << in << "]";
        }
}

TEST(PackedMatrix, StacksSourcesFromSeveralThreads) {
  const int64_t in = 40, out = 100;
  const Source source(DType::kBF16, out * in);
  std::vector<std::byte> memory(PackedMatrix::bytes(DType::kBF16, out, in), std::byte{0xee});
  const PackedMatrix matrix = {memory.data(), nullptr, DType::kBF16, out, in};
  std::vector<std::thread> threads;
  const std::vector<int64_t> cuts = {0, 5, 37, 38, 64, 100};  // all share panels with a neighbour
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    threads.emplace_back([&, first = cuts[i], last = cuts[i + 1]] {
      pack_rows(matrix, first, last - first, source.row(first, in), DType::kBF16);
    });
  threads.emplace_back([&] { pack_padding(matrix); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bits_of(DType::kBF16, memory),
            packed_by_definition(DType::kBF16, out, in, source.values));
}

TEST(PackedMatrix, RefusesRowsOutsideAndOtherTypes) {
  std::vector<float> memory(16 * 4);
  const PackedMatrix matrix = {memory.data(), nullptr, DType::kF32, 10, 4};
  EXPECT_EQ(error_of([&] { pack_rows(matrix, 8, 3, memory.data(), DType::kF32); }),
            "pack_rows into f32 [10, 4]: rows: expected at most 10, found 3 from 8");
  EXPECT_NE(error_of([&] { pack_rows(matrix, -1, 1, memory.data(), DType::kF32); }), "no error");
  EXPECT_NE(error_of([&] { pack_rows(matrix, 1, INT64_MAX, memory.data(), DType::kF32); }),
            "no error");
  EXPECT_EQ(error_of([&] { pack_rows(matrix, 0, 1, memory.data(), DType::kI8); }),
            "pack_rows into f32 [10, 4]: source: expected f32, bf16 or f16, found i8");
}

}  // namespace
}  // namespace tessera
