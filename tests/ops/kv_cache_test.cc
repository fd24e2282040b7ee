#include "ops/kv_cache.h"

#include <gtest/gtest.h>

#include "ops/convert.h"
#include "tests/ops/cpu.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Two sequences of different lengths, appended in two micro-batches, checked number by number.
TEST(KvAppend, PutsEveryNumberWhereTheLayoutSays) {
  const int64_t kv_heads = 3, dim = 18, width = kv_heads * dim;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    Cpu cpu(2);
    std::vector<std::byte> memory(KvPages::bytes(dtype, 6, kv_heads, dim), std::byte{0xee});
    const auto untouched = memory;
    KvPages pages = {memory.data(), &cpu.device(), dtype, 6, kv_heads, dim};
    std::vector<int32_t> blocks = {4, 0, 5, 2, -1, -1};  // sequence 1 has one page
    auto wanted = untouched;
    for (const auto& [first, seed] : {std::pair<int32_t, uint32_t>{0, 1}, {20, 2}}) {
      std::vector<int32_t> positions, sequence;
      for (int32_t p = first; p < first + 20; ++p) positions.push_back(p), sequence.push_back(0);
      for (int32_t p = first / 4; p < first / 4 + 5; ++p)
        positions.push_back(p), sequence.push_back(1);
      auto kv = normal(25 * 2 * width, seed);  // k and v side by side
      const Tensor both = cpu.view(kv, {25, 2 * width});
      kv_append(cpu.stream(), both.slice_cols(0, width), both.slice_cols(width, width),
                {.positions = cpu.view(positions, {25}),
                 .sequence = cpu.view(sequence, {25}),
                 .blocks = cpu.view(blocks, {2, 3}),
                 .max_context = 40},
                pages);
      cpu.wait();
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

TEST(KvAppend, NamesWhatIsWrong) {
  Cpu cpu;
  std::vector<float> memory(KvPages::bytes(DType::kF32, 2, 1, 4) / 4), k(8), v(8), wide(10);
  KvPages pages = {memory.data(), &cpu.device(), DType::kF32, 2, 1, 4};
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
  EXPECT_EQ(KvPages::bytes(DType::kBF16, 1, 8, 128), 65536U);
  EXPECT_EQ(KvPages::bytes(DType::kF32, 3, 1, 18), 3U * 2 * 16 * 18 * 4);
  EXPECT_EQ(KvPages::bytes(DType::kF32, 0, 1, 18), 0U);
}

}  // namespace
}  // namespace tessera
