#include "ops/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "ops/convert.h"
#include "tests/ops/op_device.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using KvAppendOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, KvAppendOp, testing::ValuesIn(op_targets()), target_name);

// Two sequences of different lengths, appended in two micro-batches, checked number by number.
TEST_P(KvAppendOp, PutsEveryNumberWhereTheLayoutSays) {
  const int64_t kv_heads = 3, dim = 18, width = kv_heads * dim;
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kBF16}) {
    const DType dtype = format == KvFormat::kF32 ? DType::kF32 : DType::kBF16;
    OpDevice device = open();
    std::vector<std::byte> memory(KvPages::bytes(format, 6, kv_heads, dim), std::byte{0xee});
    const auto untouched = memory;
    std::vector<int32_t> blocks = {4, 0, 5, 2, -1, -1};  // sequence 1 has one page
    auto wanted = untouched;
    for (const auto& [first, seed] : {std::pair<int32_t, uint32_t>{0, 1}, {20, 2}}) {
      std::vector<int32_t> positions, sequence;
      for (int32_t p = first; p < first + 20; ++p) positions.push_back(p), sequence.push_back(0);
      for (int32_t p = first / 4; p < first / 4 + 5; ++p)
        positions.push_back(p), sequence.push_back(1);
      auto kv = normal(25 * 2 * width, seed);  // k and v side by side
      KvPages pages = {device.memory(memory), &device.device(), format, 6, kv_heads, dim};
      const Tensor both = device.view(kv, {25, 2 * width});
      kv_append(device.stream(), both.slice_cols(0, width), both.slice_cols(width, width),
                {.positions = device.view(positions, {25}),
                 .sequence = device.view(sequence, {25}),
                 .blocks = device.view(blocks, {2, 3}),
                 .max_context = 40},
                pages);
      device.wait();
      for (int64_t r = 0; r < 25; ++r)
        for (int64_t head = 0; head < kv_heads; ++head)
          for (int64_t d = 0; d < dim; ++d)
            for (int64_t part = 0; part < 2; ++part) {  // keys, values
              const int64_t p = positions[static_cast<size_t>(r)], slot = p % 16;
              const int64_t page =
                  blocks[static_cast<size_t>(sequence[static_cast<size_t>(r)] * 3 + p / 16)];
              const int64_t per = dtype == DType::kF32 ? 1 : 2;  // numbers to a word
              const int64_t in_head = part == 0 ? (d / per * 16 + slot) * per + d % per
                                                : (slot / per * dim + d) * per + slot % per;
              const int64_t at = ((page * 2 + part) * kv_heads + head) * 16 * dim + in_head;
              const float value =
                  kv[static_cast<size_t>(r * 2 * width + part * width + head * dim + d)];
              convert(&value, DType::kF32, wanted.data() + at * dtype_bytes(dtype), dtype, 1);
            }
    }
    EXPECT_EQ(memory, wanted) << dtype_name(dtype);
  }
}

// Where int8 pages keep one token's key or value of a head: its scale, and its codes.
struct CodesAt {
  int64_t scale, first, pair_step, in_pair;
  int64_t code(int64_t d) const {
    return in_pair < 0 ? first + d / 2 * pair_step + d % 2 : first + d * pair_step + in_pair;
  }
};

CodesAt codes_at(bool value, int64_t page, int64_t slot, int64_t heads, int64_t head, int64_t dim) {
  const int64_t key_codes = (dim + 1) / 2 * 2 * 16, value_codes = 16 * dim;
  const int64_t start = page * heads * (key_codes + value_codes + 128);
  if (!value) {
    const int64_t keys = start + head * (key_codes + 64);
    return {keys + key_codes + 4 * slot, keys + 2 * slot, 32, -1};
  }
  const int64_t values = start + heads * (key_codes + 64) + head * (value_codes + 64);
  return {values + value_codes + 4 * slot, values + slot / 2 * 2 * dim, 2, slot % 2};
}

TEST_P(KvAppendOp, Int8IsTheNearestCodeOfEachTokensScale) {
  const int64_t heads = 2, rows = 20;
  for (const int64_t dim : {1, 18, 33, 128, 200}) {
    OpDevice device = open();
    const int64_t width = heads * dim;
    std::vector<std::byte> memory(KvPages::bytes(KvFormat::kInt8, 3, heads, dim), std::byte{0xee});
    auto wanted = memory;
    KvPages pages = {device.memory(memory), &device.device(), KvFormat::kInt8, 3, heads, dim};
    std::vector<int32_t> positions(rows), sequence(rows, 0), blocks = {2, 0};
    std::iota(positions.begin(), positions.end(), 0);
    std::vector<float> kv[2] = {normal(rows * width, 1), normal(rows * width, 2)};
    for (int64_t i = 0; i < dim; ++i) {
      const auto d = static_cast<size_t>(i);
      kv[0][d] = 0;                                        // token 0, head 0
      kv[1][d] *= 1e-35F;                                  // too small for an inverse
      kv[1][3 * static_cast<size_t>(width) + d] *= 1e37F;  // large
      kv[0][5 * static_cast<size_t>(width) + d] *= 1e-20F;
    }
    kv[0][7 * static_cast<size_t>(width)] = NAN;
    kv[1][9 * static_cast<size_t>(width)] = -INFINITY;
    kv_append(device.stream(), device.view(kv[0], {rows, width}), device.view(kv[1], {rows, width}),
              {.positions = device.view(positions, {rows}),
               .sequence = device.view(sequence, {rows}),
               .blocks = device.view(blocks, {1, 2}),
               .max_context = rows},
              pages);
    device.wait();
    for (int64_t t = 0; t < rows; ++t)
      for (int64_t head = 0; head < heads; ++head)
        for (const bool value : {false, true}) {
          SCOPED_TRACE(testing::Message() << "dim " << dim << ", token " << t << ", head " << head);
          const float* x = kv[value ? 1 : 0].data() + t * width + head * dim;
          const CodesAt at =
              codes_at(value, blocks[static_cast<size_t>(t / 16)], t % 16, heads, head, dim);
          float scale = 0, largest = 0;
          std::memcpy(&scale, memory.data() + at.scale, 4);
          for (int64_t d = 0; d < dim; ++d) largest = std::max(largest, std::abs(x[d]));
          const bool broken = head == 0 && ((t == 7 && !value) || (t == 9 && value));
          if (broken)
            EXPECT_TRUE(std::isnan(scale));
          else
            EXPECT_EQ(scale, largest < 1e-30F ? 0 : largest / 127);
          for (int64_t d = 0; d < dim; ++d) {
            const auto code = static_cast<int8_t>(memory[static_cast<size_t>(at.code(d))]);
            if (!broken) {
              const double exact = scale == 0 ? 0 : double{x[d]} / double{scale};
              EXPECT_NEAR(code, exact, 0.5 + 1e-5);  // the inverse is rounded
            }
            wanted[static_cast<size_t>(at.code(d))] = static_cast<std::byte>(code);
          }
          std::memcpy(wanted.data() + at.scale, &scale, 4);
          if (dim % 2 != 0 && !value) wanted[static_cast<size_t>(at.code(dim))] = std::byte{0};
        }
    EXPECT_EQ(memory, wanted) << dim;  // nothing else was touched
  }
}

// Numbers of any size, rounded by the processor's instructions or a GPU's.
TEST_P(KvAppendOp, WritesTheSameBytesOnEveryDevice) {
  const int64_t heads = 8, rows = 37;
  for (const KvFormat format : kKvFormats)
    for (const int64_t dim : {1, 33, 80, 128}) {
      const int64_t width = heads * dim;
      std::vector<int32_t> positions(rows), sequence(rows, 0), blocks = {2, 0, 3};
      std::iota(positions.begin(), positions.end(), 5);
      auto k = normal(rows * width, 1), v = normal(rows * width, 2);
      for (size_t i = 0; i < k.size(); ++i) {
        if (i % 3 == 0) k[i] = std::ldexp(k[i], static_cast<int>(i % 270) - 140);
        if (i % 5 == 0) v[i] = std::ldexp(v[i], static_cast<int>(i % 200) - 140);
        if (i % 997 == 0) k[i] = i % 2 == 0 ? INFINITY : -INFINITY;
        if (i % 991 == 0) v[i] = NAN;
      }
      const auto appended_on = [&](OpDevice device) {
        std::vector<std::byte> memory(KvPages::bytes(format, 4, heads, dim), std::byte{0xee});
        KvPages pages = {device.memory(memory), &device.device(), format, 4, heads, dim};
        kv_append(device.stream(), device.view(k, {rows, width}), device.view(v, {rows, width}),
                  {.positions = device.view(positions, {rows}),
                   .sequence = device.view(sequence, {rows}),
                   .blocks = device.view(blocks, {1, 3}),
                   .max_context = rows + 5},
                  pages);
        device.wait();
        return memory;
      };
      EXPECT_EQ(appended_on(open()), appended_on(Cpu(1, Isa::kPlain)))
          << kv_format_name(format) << ", dim " << dim;
    }
}

TEST_P(KvAppendOp, ANumberOutOfRangeIsAnError) {
  const auto call = [&](int32_t position, int32_t sequence, int32_t page) {
    OpDevice device = open(1);
    std::vector<float> k(4), v(4), memory(KvPages::bytes(KvFormat::kF32, 2, 1, 4) / 4, 7);
    std::vector<int32_t> positions = {position}, sequences = {sequence}, blocks = {1, page};
    KvPages pages = {device.memory(memory), &device.device(), KvFormat::kF32, 2, 1, 4};
    const std::string error = error_of([&] {
      kv_append(device.stream(), device.view(k, {1, 4}), device.view(v, {1, 4}),
                {.positions = device.view(positions, {1}),
                 .sequence = device.view(sequences, {1}),
                 .blocks = device.view(blocks, {1, 2}),
                 .max_context = 20},
                pages);
      device.wait();
    });
    return error.substr(error.find("expected"));
  };
  EXPECT_EQ(call(20, 0, 0), "expected 0 to 19, found 20");
  EXPECT_EQ(call(-1, 0, 0), "expected 0 to 19, found -1");
  EXPECT_EQ(call(3, 1, 0), "expected 0 to 0, found 1");
  EXPECT_EQ(call(3, -9, 0), "expected 0 to 0, found -9");
  EXPECT_EQ(call(16, 0, 2), "expected 0 to 1, found 2");
  EXPECT_EQ(call(16, 0, INT32_MIN), "expected 0 to 1, found -2147483648");
}

TEST(KvAppend, NamesWhatIsWrong) {
  Cpu cpu;
  std::vector<float> memory(KvPages::bytes(KvFormat::kF32, 2, 1, 4) / 4), k(8), v(8), wide(10);
  KvPages pages = {memory.data(), &cpu.device(), KvFormat::kF32, 2, 1, 4};
  std::vector<int32_t> positions = {15, 16}, sequence = {0, 0}, blocks = {1, 2};
  BatchRows rows = {.positions = cpu.view(positions, {2}),
                    .sequence = cpu.view(sequence, {2}),
                    .blocks = cpu.view(blocks, {1, 2}),
                    .max_context = 17};
  EXPECT_EQ(error_of([&] {
              kv_append(cpu.stream(), cpu.view(k, {2, 4}), cpu.view(wide, {2, 5}), rows, pages);
            }),
            "kv_append: v: expected f32 [2, 4], found f32 [2, 5]");
  kv_append(cpu.stream(), cpu.view(k, {2, 4}), cpu.view(v, {2, 4}), rows, pages);
  EXPECT_EQ(error_of([&] { cpu.wait(); }), "kv_append: page id of row 1: expected 0 to 1, found 2");
}

TEST(KvPages, CountsItsBytes) {
  // 34B: 8 heads of 128, keys and values, 16 tokens, bf16: 64 KiB a block and layer
  EXPECT_EQ(KvPages::bytes(KvFormat::kBF16, 1, 8, 128), 65536U);
  // in int8 half of it, and 4 bytes for each key and value of a token and head
  EXPECT_EQ(KvPages::bytes(KvFormat::kInt8, 1, 8, 128), 32768U + 16 * 8 * 2 * 4);
  EXPECT_EQ(KvPages::bytes(KvFormat::kInt8, 5, 2, 33), 5U * 2 * (16 * (34 + 33) + 2 * 64));
  EXPECT_EQ(KvPages::bytes(KvFormat::kBF16, 5, 2, 33), 5U * 2 * 16 * (34 + 33) * 2);
  EXPECT_EQ(KvPages::bytes(KvFormat::kF32, 3, 1, 18), 3U * 2 * 16 * 18 * 4);
  EXPECT_EQ(KvPages::bytes(KvFormat::kF32, 0, 1, 18), 0U);
}

}  // namespace
}  // namespace tessera
