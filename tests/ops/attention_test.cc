#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/attention_reference.h"
#include "tests/ops/op_device.h"
#include "tests/ops/paged.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Of f32 pages the bits are the same on all devices, of the others on all virtual ones but for AMX,
// which multiplies whole registers of bf16 in its own order.
bool has_own_bits(const OpTarget& target, KvFormat format, int64_t dim) {
  if (target.kind == DeviceKind::kCuda) return format != KvFormat::kF32;
  return format == KvFormat::kBF16 && target.isa == Isa::kAmx && dim % 16 == 0;
}

struct FormatAndDim {
  KvFormat format;
  int64_t dim;
};
// All formats with heads of this size; and bf16 with those that AMX takes, whose last register is
// full and half full.
std::vector<FormatAndDim> formats_with(int64_t dim) {
  std::vector<FormatAndDim> all = {{KvFormat::kBF16, 64}, {KvFormat::kBF16, 80}};
  for (const KvFormat format : kKvFormats) all.push_back({format, dim});
  return all;
}

using PagedAttentionOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, PagedAttentionOp, testing::ValuesIn(op_targets()), target_name);
using FullAttentionOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, FullAttentionOp, testing::ValuesIn(op_targets()), target_name);

TEST_P(PagedAttentionOp, MatchesTheFormulaAtAwkwardSizes) {
  struct Case {
    int64_t heads, kv_heads, dim, context;
  };
  for (const KvFormat format : kKvFormats)
    for (const Case c : {Case{1, 1, 16, 1}, Case{2, 2, 18, 15}, Case{7, 1, 80, 16},
                         Case{14, 2, 128, 17}, Case{8, 1, 20, 63}, Case{3, 3, 1, 64},
                         Case{4, 2, 256, 65}, Case{40, 1, 12, 130}, Case{7, 7, 33, 200}}) {
      OpDevice device = open();
      PagedSequence s(device, format, c.kv_heads, c.dim, c.context);
      const float scale = 1 / std::sqrt(static_cast<float>(c.dim));
      const auto q = normal(c.context * c.heads * c.dim, 7);
      const auto got = attend_rows(device, s, c.heads, scale, 0, c.context, q, 0);
      std::vector<int64_t> contexts;
      for (int64_t t = 0; t < c.context; ++t) contexts.push_back(t + 1);
      EXPECT_EQ(differs(got,
                        attention_in_double(as_multiplied(GetParam(), q, format), s.k(), s.v(),
                                            c.heads, c.kv_heads, c.dim, double{scale}, contexts),
                        0, attention_tolerance(GetParam(), format)),
                "")
          << kv_format_name(format) << " heads " << c.heads << ":" << c.kv_heads << ", dim "
          << c.dim << ", context " << c.context;
    }
}

TEST_P(PagedAttentionOp, MatchesTheFormulaAtALongContext) {
  const int64_t context = 4096, heads = 7, dim = 128;
  for (const KvFormat format : kKvFormats) {
    OpDevice device = open();
    PagedSequence s(device, format, 1, dim, context);
    const auto q = normal(heads * dim, 7);
    const auto got = attend_rows(device, s, heads, 0.3F, context - 1, 1, q, 0);
    const auto want = attention_in_double(as_multiplied(GetParam(), q, format), s.k(), s.v(), heads,
                                          1, dim, double{0.3F}, {context});
    const double abs = attention_tolerance(GetParam(), format);
    // scores of 3
    EXPECT_EQ(differs(got, want, 0, format == KvFormat::kF32 ? 4 * abs : abs), "")
        << kv_format_name(format);
  }
}

// Chunked prefill, decode and any thread count: a row's bits come from its query and its sequence.
TEST_P(PagedAttentionOp, SameBitsHoweverTheRowsAreCut) {
  const int64_t context = 150, heads = 14, kv_heads = 2;
  for (const auto [format, dim] : formats_with(40)) {
    const int64_t width = heads * dim;
    const auto q = normal(context * width, 7);
    std::vector<float> want;
    {
      OpDevice device = has_own_bits(GetParam(), format, dim) ? open(1) : Cpu(1, Isa::kPlain);
      PagedSequence s(device, format, kv_heads, dim, context);
      for (int64_t t = 0; t < context; ++t) {
        const auto row = attend_rows(device, s, heads, 0.2F, t, 1, q, t);
        want.insert(want.end(), row.begin(), row.end());
      }
    }
    std::mt19937 random(5);
    for (int round = 0; round < 6; ++round) {
      OpDevice device = open(1 + round % 4);
      PagedSequence s(device, format, kv_heads, dim, context, static_cast<uint32_t>(round));
      std::vector<float> got;
      for (int64_t first = 0; first < context;) {
        const int64_t most = round == 0 ? 150 : round == 1 ? 1 : 60;
        const int64_t some = std::min(context - first, 1 + static_cast<int64_t>(random()) % most);
        const int64_t count = round == 3 ? context : some;  // enough for all threads to share
        const auto rows = attend_rows(device, s, heads, 0.2F, first, count, q, first);
        got.insert(got.end(), rows.begin(), rows.end());
        first += count;
      }
      ASSERT_EQ(bits_differ(got, want), "")
          << kv_format_name(format) << ", dim " << dim << ", round " << round;
    }
  }
}

// Several sequences in one micro-batch, whose pages are scattered over one pool.
TEST_P(PagedAttentionOp, CompanyInABatchChangesNothing) {
  const int64_t heads = 4, kv_heads = 2;
  const std::vector<int64_t> contexts = {70, 1, 16, 33, 64};  // 3 last rows of each, at most
  for (const auto [format, dim] : formats_with(24)) {
    const int64_t width = heads * dim;
    OpDevice device = open(3);
    std::vector<float> q, k, v, want;
    std::vector<int32_t> positions, sequence, blocks(contexts.size() * 5, -1);
    std::vector<int32_t> ids = {19, 3, 7, 0, 12, 5, 1, 18, 2, 16, 9, 4, 11, 14};
    std::vector<float> memory(KvPages::bytes(format, 20, kv_heads, dim) / sizeof(float), NAN);
    KvPages pages = {memory.data(), &device.device(), format, 20, kv_heads, dim};
    int64_t total_context = 0;
    for (size_t s = 0; s < contexts.size(); ++s) {
      PagedSequence alone(device, format, kv_heads, dim, contexts[s], static_cast<uint32_t>(s));
      for (int64_t b = 0; b * kBlockTokens < contexts[s]; ++b) {
        const int32_t id = ids.back();
        ids.pop_back();
        blocks[s * 5 + static_cast<size_t>(b)] = id;
        alone.copy_block(b, pages, id);
      }
      const int64_t rows = std::min<int64_t>(3, contexts[s]);
      const auto own = normal(rows * width, static_cast<uint32_t>(100 + s));
      const auto own_out =
          attend_rows(device, alone, heads, 0.2F, contexts[s] - rows, rows, own, 0);
      q.insert(q.end(), own.begin(), own.end());
      want.insert(want.end(), own_out.begin(), own_out.end());
      for (int64_t r = 0; r < rows; ++r) {
        positions.push_back(static_cast<int32_t>(contexts[s] - rows + r));
        sequence.push_back(static_cast<int32_t>(s));
        total_context += contexts[s] - rows + r + 1;
      }
    }
    const auto rows = static_cast<int64_t>(positions.size());
    std::vector<float> got(q.size());
    pages.data = device.memory(memory);
    Tensor out = device.view(got, {rows, width});
    paged_attention(device.stream(), device.view(q, out.shape), pages,
                    {.positions = device.view(positions, {rows}),
                     .sequence = device.view(sequence, {rows}),
                     .blocks = device.view(blocks, {5, 5}),
                     .max_context = 70,
                     .context_tokens = total_context},
                    heads, 0.2F, out);
    device.wait();
    EXPECT_EQ(bits_differ(got, want), "") << kv_format_name(format);
  }
}

TEST_P(PagedAttentionOp, WorksInPlaceOnColumnsOfAWiderMatrix) {
  const int64_t context = 20, heads = 2, dim = 16, width = heads * dim;
  for (const KvFormat format : kKvFormats) {
    OpDevice device = open(1);
    PagedSequence s(device, format, 1, dim, context);
    auto qkv = normal(context * 3 * width, 3);
    std::vector<float> want(static_cast<size_t>(context * width));
    const auto before = qkv;
    const auto columns = [&] {
      return device.view(qkv, {context, 3 * width}).slice_cols(width, width);
    };
    Tensor out = device.view(want, {context, width});
    paged_attention(device.stream(), columns(), s.pages(), s.rows(0, context), heads, 0.25F, out);
    device.wait();
    Tensor q = columns();
    paged_attention(device.stream(), q, s.pages(), s.rows(0, context), heads, 0.25F, q);
    device.wait();
    for (int64_t r = 0; r < context; ++r)
      for (int64_t c = 0; c < 3 * width; ++c) {
        const auto at = static_cast<size_t>(r * 3 * width + c);
        const bool own = c >= width && c < 2 * width;
        EXPECT_EQ(qkv[at], own ? want[static_cast<size_t>(r * width + c - width)] : before[at]);
      }
  }
}

TEST_P(PagedAttentionOp, WhatIsPastTheContextTakesNoPart) {
  const int64_t heads = 3;
  for (const auto [format, dim] : formats_with(20)) {
    OpDevice device = open(1);
    PagedSequence s(device, format, 1, dim, 37);  // pages hold NaN behind token 36
    const auto q = normal(heads * dim, 3);
    for (const int64_t position : {0, 15, 16, 36})
      for (const float x : attend_rows(device, s, heads, 0.2F, position, 1, q, 0))
        EXPECT_TRUE(std::isfinite(x));
  }
}

TEST_P(PagedAttentionOp, WhatIsPastTheContextChangesNoBit) {
  const int64_t heads = 6, kv_heads = 2, context = 75;
  for (const auto [format, dim] : formats_with(33)) {
    const auto q = normal(context * heads * dim, 3);
    std::vector<float> want;
    for (const int unwritten : {0x00, 0xff, 0x7f, 0x80, 0x55}) {
      OpDevice device = open();
      PagedSequence s(device, format, kv_heads, dim, context, 0, std::byte(unwritten));
      const auto got = attend_rows(device, s, heads, 0.2F, 0, context, q, 0);
      if (want.empty()) want = got;
      EXPECT_EQ(bits_differ(got, want), "") << kv_format_name(format) << " " << unwritten;
    }
  }
}

TEST_P(PagedAttentionOp, ANanInATokenLeavesTheRowsBeforeItAlone) {
  const int64_t heads = 4, kv_heads = 2, context = 70, broken = 37;
  for (const auto [format, dim] : formats_with(24)) {
    const int64_t width = kv_heads * dim;
    const auto q = normal(context * heads * dim, 3);
    for (const bool in_value : {false, true}) {
      OpDevice device = open(1);
      PagedSequence s(device, format, kv_heads, dim, context);
      const auto want = attend_rows(device, s, heads, 0.2F, 0, context, q, 0);
      auto k = normal(width, 5), v = normal(width, 6);
      (in_value ? v : k)[0] = NAN;  // of kv head 0, which heads 0 and 1 look at
      kv_append(device.stream(), device.view(k, {1, width}), device.view(v, {1, width}),
                s.rows(broken, 1), s.pages());
      device.wait();
      const auto got = attend_rows(device, s, heads, 0.2F, 0, context, q, 0);
      const auto before = static_cast<size_t>(broken * heads * dim);
      EXPECT_EQ(bits_differ(std::span(got).first(before), std::span(want).first(before)), "")
          << kv_format_name(format);
      for (int64_t t = broken; t < context; ++t)
        for (int64_t head = 0; head < heads; ++head)
          EXPECT_EQ(std::isnan(got[static_cast<size_t>((t * heads + head) * dim)]), head < 2)
              << kv_format_name(format) << " " << t;
    }
  }
}

TEST_P(PagedAttentionOp, HugeScoresPickOneTokenAndNanStaysInItsRow) {
  const int64_t heads = 2, dim = 16, context = 70;
  for (const KvFormat format : kKvFormats) {
    OpDevice device = open(1);
    PagedSequence s(device, format, 1, dim, context);
    std::vector<float> q(static_cast<size_t>(3 * heads * dim), 0);
    for (int64_t d = 0; d < dim; ++d) q[static_cast<size_t>(d)] = 1e4F;  // row 0, head 0
    q[static_cast<size_t>(heads * dim)] = NAN;                           // row 1, head 0
    const auto got = attend_rows(device, s, heads, 1, context - 3, 3, q, 0);
    std::vector<double> sums;
    for (int64_t t = 0; t < context - 2; ++t) {
      sums.push_back(0);
      for (int64_t d = 0; d < dim; ++d) sums.back() += s.k()[static_cast<size_t>(t * dim + d)];
    }
    const auto best = std::max_element(sums.begin(), sums.end()) - sums.begin();
    const bool as_bf16 = cuda() && format == KvFormat::kInt8;
    for (int64_t d = 0; d < dim; ++d) {
      // one code times its scale, that of the weights in it, on CUDA rounded to bf16
      const float want = s.v()[static_cast<size_t>(best * dim + d)];
      const float rel = as_bf16 ? 0x1p-8F : 0x1p-22F;
      EXPECT_NEAR(got[static_cast<size_t>(d)], want, rel * std::abs(want));
    }
    for (int64_t i = 0; i < 3 * heads * dim; ++i)
      EXPECT_EQ(std::isnan(got[static_cast<size_t>(i)]), i / dim == heads) << i;
  }
}

TEST(PagedAttention, NamesWhatIsOutOfRange) {
  const int64_t heads = 2, dim = 16;
  Cpu cpu;
  PagedSequence s(cpu, KvFormat::kF32, 1, dim, 20);
  auto q = normal(heads * dim, 3);
  Tensor out = cpu.view(q, {1, heads * dim});
  const auto call = [&](const BatchRows& rows, int64_t with_heads) {
    const auto stream = cpu.device().open_stream("own");  // broken by what it throws
    return error_of([&] {
      paged_attention(*stream, out, s.pages(), rows, with_heads, 1, out);
      stream->synchronize();
    });
  };
  std::vector<int32_t> wrong = {77}, two = {0, 77};
  BatchRows rows = s.rows(19, 1);
  EXPECT_EQ(call(rows, heads), "no error");
  rows.max_context = 19;
  EXPECT_EQ(call(rows, heads), "paged_attention: position of row 0: expected 0 to 18, found 19");
  rows.max_context = 33;
  EXPECT_EQ(call(rows, heads),
            "paged_attention: max_context: expected 0 to 32, what the blocks hold, found 33");
  rows = s.rows(19, 1);
  rows.sequence = cpu.view(wrong, {1});
  EXPECT_EQ(call(rows, heads), "paged_attention: sequence of row 0: expected 0 to 0, found 77");
  rows = s.rows(19, 1);
  rows.blocks = cpu.view(two, {1, 2});
  EXPECT_EQ(call(rows, heads), "paged_attention: page id of row 0: expected 0 to 2, found 77");
  EXPECT_EQ(call(s.rows(19, 1), 3), "paged_attention: q: expected f32 [1, 48], found f32 [1, 32]");
  KvPages wide = s.pages();
  wide.head_dim = 257;
  EXPECT_EQ(
      error_of([&] { paged_attention(cpu.stream(), out, wide, s.rows(19, 1), heads, 1, out); }),
      "paged_attention: head_dim: expected 1 to 256, found 257");
}

TEST_P(FullAttentionOp, MatchesTheFormulaWithTheSameBitsEverywhere) {
  struct Case {
    int64_t tokens, heads, dim;
  };
  for (const Case c : {Case{1, 1, 16}, Case{15, 2, 18}, Case{16, 1, 80}, Case{17, 3, 80},
                       Case{64, 1, 128}, Case{67, 2, 5}, Case{131, 2, 80}}) {
    const int64_t width = c.heads * c.dim;
    auto qkv = normal(c.tokens * 3 * width, 7);  // side by side, as one matmul gives them
    std::vector<float> q, k, v;
    for (int64_t t = 0; t < c.tokens; ++t) {
      const auto row = qkv.begin() + t * 3 * width;
      q.insert(q.end(), row, row + width);
      k.insert(k.end(), row + width, row + 2 * width);
      v.insert(v.end(), row + 2 * width, row + 3 * width);
    }
    const std::vector<int64_t> contexts(static_cast<size_t>(c.tokens), c.tokens);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const KvFormat format = dtype == DType::kF32 ? KvFormat::kF32 : KvFormat::kBF16;
      const auto round = [&](const std::vector<float>& x) {
        return as_multiplied(GetParam(), x, format);
      };
      const auto run = [&](OpDevice device) {
        const DeviceBuffer room = device.device().allocate(1 << 20, MemoryKind::kArena, "test");
        Arena arena(room);
        const Tensor all = device.view(qkv, {c.tokens, 3 * width});
        std::vector<float> got(q.size());
        Tensor out = device.view(got, {c.tokens, width});
        full_attention(device.stream(), arena, all.slice_cols(0, width),
                       all.slice_cols(width, width), all.slice_cols(2 * width, width), dtype,
                       c.heads, 0.11F, out);
        device.wait();
        return got;
      };
      const auto got = run(open());
      EXPECT_EQ(differs(got,
                        attention_in_double(round(q), round(k), round(v), c.heads, c.heads, c.dim,
                                            double{0.11F}, contexts),
                        0, attention_tolerance(GetParam(), format)),
                "")
          << c.tokens;
      const bool own = has_own_bits(GetParam(), format, c.dim);
      if (cuda() && own) continue;
      EXPECT_EQ(bits_differ(got, run(own ? open(2) : Cpu(2, Isa::kPlain))), "") << c.tokens;
    }
  }
}

}  // namespace
}  // namespace tessera
