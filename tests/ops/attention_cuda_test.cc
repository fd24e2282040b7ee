#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "device/cuda_stream.h"
#include "ops/attention.h"
#include "ops/cuda.h"
#include "tests/ops/attention_reference.h"
#include "tests/ops/op_device.h"
#include "tests/ops/paged.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

// What holds for attention on GPUs beyond the properties of attention_test.cc: rows alone are
// worked on in splits of 256 tokens, more than eight rows of one sequence in tiles; to the same
// bits.

namespace tessera {
namespace {

constexpr std::array kCodedFormats = {KvFormat::kBF16, KvFormat::kInt8};

class AttentionCuda : public OpTest {};
INSTANTIATE_TEST_SUITE_P(, AttentionCuda, testing::Values(OpTarget{.kind = DeviceKind::kCuda}),
                         target_name);

// The last row of a context, alone and as the last of `tile` rows.
void expect_one_row(OpDevice& device, const OpTarget& target, KvFormat format, int64_t heads,
                    int64_t kv_heads, int64_t dim, int64_t context, int64_t tile) {
  PagedSequence s(device, format, kv_heads, dim, context);
  const float scale = 1 / std::sqrt(static_cast<float>(dim));
  const int64_t rows = std::min(tile, context), width = heads * dim;
  const auto q = normal(rows * width, 7);
  const auto last = attend_rows(device, s, heads, scale, context - 1, 1, q, rows - 1);
  const std::vector<float> q_last(q.end() - width, q.end());
  const auto want = attention_in_double(as_multiplied(target, q_last, format), s.k(), s.v(), heads,
                                        kv_heads, dim, double{scale}, {context});
  const std::string name = std::string(kv_format_name(format)) + " heads " + std::to_string(heads) +
                           ":" + std::to_string(kv_heads) + ", dim " + std::to_string(dim) +
                           ", context " + std::to_string(context);
  EXPECT_EQ(differs(last, want, 0, attention_tolerance(target, format)), "") << name;
  const auto all = attend_rows(device, s, heads, scale, context - rows, rows, q, 0);
  EXPECT_EQ(bits_differ(std::span(all).last(static_cast<size_t>(width)), last), "") << name;
}

TEST_P(AttentionCuda, DecodesTheShapeOf34BAtAnyContext) {
  for (const KvFormat format : kCodedFormats)
    for (const int64_t context : {1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 300, 1100}) {
      OpDevice device = open();
      expect_one_row(device, GetParam(), format, 56, 8, 128, context, 11);
    }
}

TEST_P(AttentionCuda, AnyHeadsAnyWidth) {
  for (const KvFormat format : kCodedFormats) {
    for (const auto& [heads, kv_heads] :
         {std::pair<int64_t, int64_t>{3, 3}, {4, 1}, {16, 2}, {17, 1}, {20, 1}, {70, 1}}) {
      OpDevice device = open();
      expect_one_row(device, GetParam(), format, heads, kv_heads, 40, 290, 13);
    }
    for (const int64_t dim : {1, 30, 33, 64, 72, 96, 112, 130, 255, 256}) {
      OpDevice device = open();
      expect_one_row(device, GetParam(), format, 7, 1, dim, 290, 13);
    }
  }
}

// Each instance of each kernel in as few steps as show what its threads do to each other: for
// ThreadSanitizer and other orders of threads, which take long.
TEST_P(AttentionCuda, EachKernelInAFewSteps) {
  for (const KvFormat format : kKvFormats) {
    OpDevice device = open();
    for (const int64_t dim : {18, 64, 80, 96, 128, 250, 33})
      if (format != KvFormat::kF32 || dim > 128)
        expect_one_row(device, GetParam(), format, 2, 1, dim, 70, 9);
    expect_one_row(device, GetParam(), format, 2, 1, 64, 260, 1);  // two splits, to be combined
  }
}

// Sequences in one pool of pages, and a batch of the last rows of each.
struct Batch {
  std::vector<float> q, memory;
  std::vector<int32_t> positions, sequence, blocks;
  std::vector<float> alone;  // what each row is when it comes alone
  KvPages pages;
  int64_t heads, max_blocks, max_context = 0;

  struct Rows {
    int64_t context, rows;
  };
  Batch(OpDevice& device, KvFormat format, int64_t query_heads, int64_t kv_heads, int64_t dim,
        const std::vector<Rows>& sequences)
      : heads(query_heads) {
    int64_t count = 0;
    for (const Rows& s : sequences) {
      max_context = std::max(max_context, s.context);
      count += (s.context + kBlockTokens - 1) / kBlockTokens;
    }
    max_blocks = (max_context + kBlockTokens - 1) / kBlockTokens;
    memory.resize(KvPages::bytes(format, count, kv_heads, dim) / sizeof(float), NAN);
    pages = {memory.data(), &device.device(), format, count, kv_heads, dim};
    blocks.resize(sequences.size() * static_cast<size_t>(max_blocks), -1);
    for (size_t s = 0; s < sequences.size(); ++s) {
      const auto [context, rows] = sequences[s];
      PagedSequence own(device, format, kv_heads, dim, context, static_cast<uint32_t>(s));
      for (int64_t b = 0; b * kBlockTokens < context; ++b) {
        own.copy_block(b, pages, --count);
        blocks[s * static_cast<size_t>(max_blocks) + static_cast<size_t>(b)] =
            static_cast<int32_t>(count);
      }
      const auto own_q = normal(rows * heads * dim, static_cast<uint32_t>(100 + s));
      q.insert(q.end(), own_q.begin(), own_q.end());
      for (int64_t r = 0; r < rows; ++r) {
        positions.push_back(static_cast<int32_t>(context - rows + r));
        sequence.push_back(static_cast<int32_t>(s));
        const auto row = attend_rows(device, own, heads, 0.1F, context - rows + r, 1, own_q, r);
        alone.insert(alone.end(), row.begin(), row.end());
      }
    }
  }

  // All rows at once, with a workspace of no more than so many bytes.
  std::vector<float> run(OpDevice& device, uint64_t workspace_bytes) {
    const auto rows = static_cast<int64_t>(positions.size()), width = heads * pages.head_dim;
    const auto sequences = static_cast<int64_t>(blocks.size()) / max_blocks;
    std::vector<float> got(q.size(), 7);
    pages.data = device.memory(memory);
    const BatchRows batch = {.positions = device.view(positions, {rows}),
                             .sequence = device.view(sequence, {rows}),
                             .blocks = device.view(blocks, {sequences, max_blocks}),
                             .max_context = max_context};
    const Tensor from = device.view(q, {rows, width}), to = device.view(got, {rows, width});
    if constexpr (kCudaBuilt)
      static_cast<CudaStream&>(device.stream()).launch([&](const CudaQueue& queue) {
        CudaQueue less = queue;
        less.workspace_bytes = std::min(less.workspace_bytes, workspace_bytes);
        paged_attention_cuda(less, from, pages, batch, heads, 0.1F, to);
      });
    device.wait();
    return got;
  }
};

constexpr uint64_t kAllOfIt = std::numeric_limits<uint64_t>::max();

TEST_P(AttentionCuda, ChunksAndSingleRowsInOneBatch) {
  for (const KvFormat format : kCodedFormats) {
    OpDevice device = open();
    Batch mixed(device, format, 7, 1, 64,
                {{300, 1}, {70, 40}, {1, 1}, {600, 1}, {270, 30}, {5, 2}});
    EXPECT_EQ(bits_differ(mixed.run(device, kAllOfIt), mixed.alone), "");
    Batch many(device, format, 4, 2, 32, {{40, 1}, {290, 1}, {513, 1}, {16, 1}, {257, 1}});
    EXPECT_EQ(bits_differ(many.run(device, kAllOfIt), many.alone), "");
  }
}

TEST_P(AttentionCuda, ASmallWorkspaceChangesNothing) {
  for (const KvFormat format : kCodedFormats) {
    OpDevice device = open();
    Batch mixed(device, format, 7, 1, 64, {{300, 1}, {70, 12}, {600, 1}, {520, 1}});
    Batch single(device, format, 7, 1, 64, {{300, 1}, {600, 1}, {520, 1}});
    const uint64_t row = 7 * 3 * (64 + 2) * sizeof(float);  // three splits
    for (const uint64_t bytes : {uint64_t{0}, row - 1, row, 2 * row, 3 * row + 100}) {
      EXPECT_EQ(bits_differ(mixed.run(device, bytes), mixed.alone), "") << bytes;
      EXPECT_EQ(bits_differ(single.run(device, bytes), single.alone), "") << bytes;
    }
  }
}

// In a tile, where rows before such a value stand beside rows after it.
TEST_P(AttentionCuda, AnInfiniteValueIsMetOnlyByThoseWhoAttendToIt) {
  const int64_t heads = 7, dim = 64, context = 300;
  const auto q = normal(context * heads * dim, 3);
  for (const float broken : {INFINITY, -INFINITY, NAN}) {
    OpDevice device = open();
    PagedSequence s(device, KvFormat::kBF16, 1, dim, context);
    const auto want = attend_rows(device, s, heads, 0.1F, 0, context, q, 0);
    auto k = normal(dim, 5), v = normal(dim, 6);
    v[5] = broken;
    kv_append(device.stream(), device.view(k, {1, dim}), device.view(v, {1, dim}), s.rows(267, 1),
              s.pages());
    device.wait();
    const auto got = attend_rows(device, s, heads, 0.1F, 0, context, q, 0);
    const auto before = static_cast<size_t>(267 * heads * dim);
    EXPECT_EQ(bits_differ(std::span(got).first(before), std::span(want).first(before)), "");
    for (size_t i = before; i < got.size(); ++i) {
      const bool met = i % static_cast<size_t>(dim) == 5;
      EXPECT_EQ(std::isfinite(got[i]), !met) << i;
      if (met && std::isinf(broken)) {
        EXPECT_EQ(got[i], broken) << i;
      }
    }
    for (const int64_t row : {266, 267, 268, 299})
      EXPECT_EQ(bits_differ(attend_rows(device, s, heads, 0.1F, row, 1, q, row),
                            std::span(got).subspan(static_cast<size_t>(row * heads * dim),
                                                   static_cast<size_t>(heads * dim))),
                "")
          << row;
  }
}

TEST_P(AttentionCuda, InfiniteScoresAreNoNumbersAndStayInTheirRow) {
  const int64_t heads = 2, dim = 32, context = 40;
  for (const KvFormat format : kKvFormats) {
    OpDevice device = open();
    PagedSequence s(device, format, 1, dim, context);
    auto q = normal(context * heads * dim, 3);
    const auto want = attend_rows(device, s, heads, 0.2F, 0, context, q, 0);
    for (const float infinite : {INFINITY, -INFINITY}) {
      q[static_cast<size_t>(20 * heads * dim + 3)] = infinite;
      const auto got = attend_rows(device, s, heads, 0.2F, 0, context, q, 0);
      for (size_t i = 0; i < got.size(); ++i) {
        const bool own = i / static_cast<size_t>(dim) == static_cast<size_t>(20 * heads);
        if (own) {
          EXPECT_TRUE(std::isnan(got[i])) << kv_format_name(format) << " " << i;
        } else {
          EXPECT_EQ(got[i], want[i]) << kv_format_name(format) << " " << i;
        }
      }
    }
  }
}

// The vision tower of Yi-VL at 448 pixels: some of its rows, judged; all of them, there.
TEST_P(AttentionCuda, SeesAPictureOf1025Tokens) {
  const int64_t tokens = 1025, heads = 16, dim = 80, width = heads * dim, step = 128;
  auto q = normal(tokens * width, 1), k = normal(tokens * width, 2), v = normal(tokens * width, 3);
  std::vector<float> some_q, some, got(q.size(), NAN);
  OpDevice device = open();
  const DeviceBuffer room = device.device().allocate(8 << 20, MemoryKind::kArena, "test");
  Arena arena(room);
  Tensor out = device.view(got, {tokens, width});
  full_attention(device.stream(), arena, device.view(q, out.shape), device.view(k, out.shape),
                 device.view(v, out.shape), DType::kBF16, heads, 0.1118F, out);
  device.wait();
  for (const float x : got) ASSERT_TRUE(std::isfinite(x));
  for (int64_t row = 0; row < tokens; row += step) {
    some_q.insert(some_q.end(), q.begin() + row * width, q.begin() + (row + 1) * width);
    some.insert(some.end(), got.begin() + row * width, got.begin() + (row + 1) * width);
  }
  const auto rounded = [&](const std::vector<float>& x) {
    return as_multiplied(GetParam(), x, KvFormat::kBF16);
  };
  const std::vector<int64_t> contexts(static_cast<size_t>(tokens / step + 1), tokens);
  const auto want = attention_in_double(rounded(some_q), rounded(k), rounded(v), heads, heads, dim,
                                        double{0.1118F}, contexts);
  EXPECT_EQ(differs(some, want, 0, attention_tolerance(GetParam(), KvFormat::kBF16)), "");
}

// Rows of one sequence stand together, or the stream breaks: some would be left out.
TEST_P(AttentionCuda, RefusesASequenceInTwoPlaces) {
  for (const std::vector<int32_t>& order : {std::vector<int32_t>{0, 1, 0}, {0, 0, 1, 1, 0, 0}}) {
    OpDevice device = open();
    PagedSequence s(device, KvFormat::kBF16, 1, 16, 20);
    std::vector<int32_t> sequence, positions, blocks = {0, 1, 0, 1};
    for (int i = 0; i < 4; ++i) sequence.insert(sequence.end(), order.begin(), order.end());
    std::sort(sequence.begin() + static_cast<int64_t>(order.size()), sequence.end());
    positions.resize(sequence.size(), 3);
    const auto rows = static_cast<int64_t>(sequence.size());
    std::vector<float> q(static_cast<size_t>(rows * 16), 1);
    Tensor out = device.view(q, {rows, 16});
    EXPECT_THAT(error_of([&] {
                  paged_attention(device.stream(), out, s.pages(),
                                  {.positions = device.view(positions, {rows}),
                                   .sequence = device.view(sequence, {rows}),
                                   .blocks = device.view(blocks, {2, 2}),
                                   .max_context = 20},
                                  1, 1, out);
                  device.wait();
                }),
                testing::HasSubstr("sequence in stream test"));
  }
}

TEST_P(AttentionCuda, NamesWhatIsOutOfRangeAndTouchesNothingWithIt) {
  const int64_t heads = 2, dim = 16;
  for (const KvFormat format : kKvFormats)
    for (const int64_t count : {1, 20}) {  // splits, a tile
      const auto call = [&](auto spoil) {
        OpDevice device = open();  // its stream breaks
        PagedSequence s(device, format, 1, dim, 40);
        auto q = normal(count * heads * dim, 3);
        Tensor out = device.view(q, {count, heads * dim});
        std::vector<int32_t> positions, sequence(static_cast<size_t>(count), 0), blocks = {0, 1, 2};
        for (int64_t r = 0; r < count; ++r)
          positions.push_back(static_cast<int32_t>(40 - count + r));
        spoil(positions, sequence, blocks);
        return error_of([&] {
          paged_attention(device.stream(), out, s.pages(),
                          {.positions = device.view(positions, {count}),
                           .sequence = device.view(sequence, {count}),
                           .blocks = device.view(blocks, {1, 3}),
                           .max_context = 40},
                          heads, 1, out);
          device.wait();
        });
      };
      using Numbers = std::vector<int32_t>;
      EXPECT_EQ(call([](Numbers&, Numbers&, Numbers&) {}), "no error");
      for (const int32_t wrong : {40, -1, 1 << 30})
        EXPECT_EQ(
            call([&](Numbers& positions, Numbers&, Numbers&) { positions.back() = wrong; }),
            "cuda:0: position in stream test: expected 0 to 39, found " + std::to_string(wrong));
      for (const int32_t wrong : {1, -1, 1 << 30})
        EXPECT_EQ(
            call([&](Numbers&, Numbers& sequence, Numbers&) { sequence.back() = wrong; }),
            "cuda:0: sequence in stream test: expected 0 to 0, found " + std::to_string(wrong));
      for (const int32_t wrong : {4, -1, 1 << 30})
        EXPECT_EQ(
            call([&](Numbers&, Numbers&, Numbers& blocks) { blocks[1] = wrong; }),
            "cuda:0: page id in stream test: expected 0 to 3, found " + std::to_string(wrong));
    }
}

}  // namespace
}  // namespace tessera
