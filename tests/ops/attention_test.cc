#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/convert.h"
#include "tests/ops/op_device.h"
#include "tests/ops/paged.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Scores and sums are chains of f32 roundings, each off by 2^-24 of a partial sum; with scores of
// about 1 the weights are off by as much, and the outputs, means of numbers of about 1, by the
// square root of the context times that at most. Measured: 4e-7 at most; allow 2e-6.
constexpr double kAbs = 2e-6;

// Over bf16 pages each weight is rounded by 2^-9 of itself, so a mean of numbers up to 4 is off by
// 8e-3 at the very worst; roundings go both ways, and half of that was never seen.
constexpr double kAbsBf16 = 4e-3;

// Over int8 pages queries and weights are rounded by 2^-16 of the largest: a score, a sum of such
// errors of both signs, by a few 1e-5, and so the outputs. Measured: 1.3e-4 at most; allow 3e-4.
constexpr double kAbsInt8 = 3e-4;

double tolerance(KvFormat format) {
  return format == KvFormat::kF32 ? kAbs : format == KvFormat::kBF16 ? kAbsBf16 : kAbsInt8;
}

// Queries as they are multiplied with keys of such pages.
std::vector<float> as_multiplied(std::vector<float> q, KvFormat format) {
  if (format == KvFormat::kBF16)
    for (float& x : q) x = f32_from_bf16(bf16_from_f32(x));
  return q;
}

// The definition, in double, over contiguous keys and values [tokens, kv_heads * dim].
std::vector<double> attention_in_double(const std::vector<float>& q, const std::vector<float>& k,
                                        const std::vector<float>& v, int64_t heads,
                                        int64_t kv_heads, int64_t dim, double scale,
                                        const std::vector<int64_t>& contexts) {
  std::vector<double> out(q.size());
  for (size_t row = 0; row < contexts.size(); ++row)
    for (int64_t head = 0; head < heads; ++head) {
      const size_t at = row * static_cast<size_t>(heads * dim) + static_cast<size_t>(head * dim);
      const int64_t group = head / (heads / kv_heads);
      const auto kv = [&](const std::vector<float>& from, int64_t t, int64_t d) {
        return double{from[static_cast<size_t>((t * kv_heads + group) * dim + d)]};
      };
      std::vector<double> scores;
      for (int64_t t = 0; t < contexts[row]; ++t) {
        double score = 0;
        for (int64_t d = 0; d < dim; ++d)
          score += double{q[at + static_cast<size_t>(d)]} * kv(k, t, d);
        scores.push_back(score * scale);
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (double& score : scores) sum += score = std::exp(score - top);
      for (int64_t d = 0; d < dim; ++d)
        for (int64_t t = 0; t < contexts[row]; ++t)
          out[at + static_cast<size_t>(d)] += scores[static_cast<size_t>(t)] / sum * kv(v, t, d);
    }
  return out;
}

TEST(PagedAttention, MatchesTheFormulaAtAwkwardSizes) {
  struct Case {
    int64_t heads, kv_heads, dim, context;
  };
  for (const Isa isa : isas())
    for (const KvFormat format : kKvFormats)
      for (const Case c : {Case{1, 1, 16, 1}, Case{2, 2, 18, 15}, Case{7, 1, 80, 16},
                           Case{14, 2, 128, 17}, Case{8, 1, 20, 63}, Case{3, 3, 1, 64},
                           Case{4, 2, 256, 65}, Case{40, 1, 12, 130}, Case{7, 7, 33, 200}}) {
        Cpu cpu(2, isa);
        PagedSequence s(cpu, format, c.kv_heads, c.dim, c.context);
        const float scale = 1 / std::sqrt(static_cast<float>(c.dim));
        auto q = normal(c.context * c.heads * c.dim, 7);
        std::vector<float> got(q.size());
        Tensor out = cpu.view(got, {c.context, c.heads * c.dim});
        paged_attention(cpu.stream(), cpu.view(q, out.shape), s.pages(), s.rows(0, c.context),
                        c.heads, scale, out);
        cpu.wait();
        std::vector<int64_t> contexts;
        for (int64_t t = 0; t < c.context; ++t) contexts.push_back(t + 1);
        EXPECT_EQ(differs(got,
                          attention_in_double(as_multiplied(q, format), s.k(), s.v(), c.heads,
                                              c.kv_heads, c.dim, double{scale}, contexts),
                          0, tolerance(format)),
                  "")
            << isa_name(isa) << " " << kv_format_name(format) << " heads " << c.heads << ":"
            << c.kv_heads << ", dim " << c.dim << ", context " << c.context;
      }
}

TEST(PagedAttention, MatchesTheFormulaAtALongContext) {
  const int64_t context = 4096, heads = 7, dim = 128;
  for (const KvFormat format : kKvFormats)
    for (const Isa isa : isas()) {
      Cpu cpu(2, isa);
      PagedSequence s(cpu, format, 1, dim, context);
      auto q = normal(heads * dim, 7);
      std::vector<float> got(q.size());
      Tensor out = cpu.view(got, {1, heads * dim});
      paged_attention(cpu.stream(), cpu.view(q, out.shape), s.pages(), s.rows(context - 1, 1),
                      heads, 0.3F, out);
      cpu.wait();
      const auto want = attention_in_double(as_multiplied(q, format), s.k(), s.v(), heads, 1, dim,
                                            double{0.3F}, {context});
      const double abs = format == KvFormat::kF32 ? 4 * kAbs : tolerance(format);  // scores of 3
      EXPECT_EQ(differs(got, want, 0, abs), "") << isa_name(isa);
    }
}

// Chunked prefill, decode and any thread count: a row's bits come from its query and its sequence.
TEST(PagedAttention, SameBitsHoweverTheRowsAreCut) {
  const int64_t context = 150, heads = 14, kv_heads = 2, dim = 40;
  for (const KvFormat format : kKvFormats) {
    auto q = normal(context * heads * dim, 7);
    std::vector<float> want(q.size());
    {
      Cpu cpu(1, Isa::kPlain);
      PagedSequence s(cpu, format, kv_heads, dim, context);
      for (int64_t t = 0; t < context; ++t) {
        Tensor out = cpu.view(want, {context, heads * dim}).slice_rows(t, 1);
        paged_attention(cpu.stream(), cpu.view(q, {context, heads * dim}).slice_rows(t, 1),
                        s.pages(), s.rows(t, 1), heads, 0.2F, out);
        cpu.wait();
      }
    }
    std::mt19937 random(5);
    for (const Isa isa : isas())
      for (int round = 0; round < 6; ++round) {
        Cpu cpu(1 + round % 4, isa);
        PagedSequence s(cpu, format, kv_heads, dim, context, static_cast<uint32_t>(round));
        std::vector<float> got(q.size());
        for (int64_t first = 0; first < context;) {
          const int64_t most = round == 0 ? 150 : round == 1 ? 1 : 60;
          const int64_t count =
              std::min(context - first, 1 + static_cast<int64_t>(random()) % most);
          Tensor out = cpu.view(got, {context, heads * dim}).slice_rows(first, count);
          paged_attention(cpu.stream(),
                          cpu.view(q, {context, heads * dim}).slice_rows(first, count), s.pages(),
                          s.rows(first, count), heads, 0.2F, out);
          cpu.wait();
          first += count;
        }
        ASSERT_EQ(bits_differ(got, want), "") << isa_name(isa) << ", round " << round;
      }
  }
}

// Several sequences in one micro-batch, whose pages are scattered over one pool.
TEST(PagedAttention, CompanyInABatchChangesNothing) {
  const int64_t heads = 4, kv_heads = 2, dim = 24;
  const std::vector<int64_t> contexts = {70, 1, 16, 33, 64};  // 3 last rows of each, at most
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kInt8})
    for (const Isa isa : isas()) {
      Cpu cpu(3, isa);
      std::vector<float> q, k, v, want;
      std::vector<int32_t> positions, sequence, blocks(contexts.size() * 5, -1);
      std::vector<int32_t> ids = {19, 3, 7, 0, 12, 5, 1, 18, 2, 16, 9, 4, 11, 14};
      std::vector<float> memory(KvPages::bytes(format, 20, kv_heads, dim) / sizeof(float), NAN);
      KvPages pages = {memory.data(), &cpu.device(), format, 20, kv_heads, dim};
      int64_t total_context = 0;
      for (size_t s = 0; s < contexts.size(); ++s) {
        PagedSequence alone(cpu, format, kv_heads, dim, contexts[s], static_cast<uint32_t>(s));
        for (int64_t b = 0; b * kBlockTokens < contexts[s]; ++b) {
          const int32_t id = ids.back();
          ids.pop_back();
          blocks[s * 5 + static_cast<size_t>(b)] = id;
          alone.copy_block(b, pages, id);
        }
        const int64_t rows = std::min<int64_t>(3, contexts[s]);
        auto own = normal(rows * heads * dim, static_cast<uint32_t>(100 + s));
        std::vector<float> own_out(own.size());
        Tensor out = cpu.view(own_out, {rows, heads * dim});
        paged_attention(cpu.stream(), cpu.view(own, out.shape), alone.pages(),
                        alone.rows(contexts[s] - rows, rows), heads, 0.2F, out);
        cpu.wait();
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
      Tensor out = cpu.view(got, {rows, heads * dim});
      paged_attention(cpu.stream(), cpu.view(q, out.shape), pages,
                      {.positions = cpu.view(positions, {rows}),
                       .sequence = cpu.view(sequence, {rows}),
                       .blocks = cpu.view(blocks, {5, 5}),
                       .max_context = 70,
                       .context_tokens = total_context},
                      heads, 0.2F, out);
      cpu.wait();
      EXPECT_EQ(bits_differ(got, want), "") << isa_name(isa);
    }
}

TEST(PagedAttention, WorksInPlaceOnColumnsOfAWiderMatrix) {
  const int64_t context = 20, heads = 2, dim = 16, width = heads * dim;
  for (const Isa isa : isas()) {
    Cpu cpu(1, isa);
    PagedSequence s(cpu, KvFormat::kF32, 1, dim, context);
    auto qkv = normal(context * 3 * width, 3);
    std::vector<float> want(static_cast<size_t>(context * width));
    Tensor out = cpu.view(want, {context, width});
    Tensor q = cpu.view(qkv, {context, 3 * width}).slice_cols(width, width);
    paged_attention(cpu.stream(), q, s.pages(), s.rows(0, context), heads, 0.25F, out);
    cpu.wait();
    const auto before = qkv;
    paged_attention(cpu.stream(), q, s.pages(), s.rows(0, context), heads, 0.25F, q);
    cpu.wait();
    for (int64_t r = 0; r < context; ++r)
      for (int64_t c = 0; c < 3 * width; ++c) {
        const auto at = static_cast<size_t>(r * 3 * width + c);
        const bool own = c >= width && c < 2 * width;
        EXPECT_EQ(qkv[at], own ? want[static_cast<size_t>(r * width + c - width)] : before[at]);
      }
  }
}

TEST(PagedAttention, WhatIsPastTheContextTakesNoPart) {
  const int64_t heads = 3, dim = 20;
  for (const KvFormat format : kKvFormats)
    for (const Isa isa : isas()) {
      Cpu cpu(1, isa);
      PagedSequence s(cpu, format, 1, dim, 37);  // pages hold NaN behind token 36
      auto q = normal(heads * dim, 3);
      std::vector<float> got(q.size());
      Tensor out = cpu.view(got, {1, heads * dim});
      for (const int64_t position : {0, 15, 16, 36}) {
        paged_attention(cpu.stream(), cpu.view(q, out.shape), s.pages(), s.rows(position, 1), heads,
                        0.2F, out);
        cpu.wait();
        for (const float x : got) EXPECT_TRUE(std::isfinite(x));
      }
    }
}

TEST(PagedAttention, WhatIsPastTheContextChangesNoBit) {
  const int64_t heads = 6, kv_heads = 2, dim = 33, context = 75;
  auto q = normal(context * heads * dim, 3);
  for (const KvFormat format : kKvFormats)
    for (const Isa isa : isas()) {
      std::vector<float> want;
      for (const int unwritten : {0x00, 0xff, 0x7f, 0x80, 0x55}) {
        Cpu cpu(2, isa);
        PagedSequence s(cpu, format, kv_heads, dim, context, 0, std::byte(unwritten));
        std::vector<float> got(q.size());
        Tensor out = cpu.view(got, {context, heads * dim});
        paged_attention(cpu.stream(), cpu.view(q, out.shape), s.pages(), s.rows(0, context), heads,
                        0.2F, out);
        cpu.wait();
        if (want.empty()) want = got;
        EXPECT_EQ(bits_differ(got, want), "")
            << isa_name(isa) << " " << kv_format_name(format) << " " << unwritten;
      }
    }
}

TEST(PagedAttention, ANanInATokenLeavesTheRowsBeforeItAlone) {
  const int64_t heads = 4, kv_heads = 2, dim = 24, width = kv_heads * dim, context = 70,
                broken = 37;
  auto q = normal(context * heads * dim, 3);
  for (const KvFormat format : kKvFormats)
    for (const Isa isa : isas())
      for (const bool in_value : {false, true}) {
        Cpu cpu(1, isa);
        PagedSequence s(cpu, format, kv_heads, dim, context);
        std::vector<float> want(q.size()), got(q.size());
        const auto attend = [&](std::vector<float>& to) {
          Tensor out = cpu.view(to, {context, heads * dim});
          paged_attention(cpu.stream(), cpu.view(q, out.shape), s.pages(), s.rows(0, context),
                          heads, 0.2F, out);
          cpu.wait();
        };
        attend(want);
        auto k = normal(width, 5), v = normal(width, 6);
        (in_value ? v : k)[0] = NAN;  // of kv head 0, which heads 0 and 1 look at
        kv_append(cpu.stream(), cpu.view(k, {1, width}), cpu.view(v, {1, width}), s.rows(broken, 1),
                  s.pages());
        cpu.wait();
        attend(got);
        const auto before = static_cast<size_t>(broken * heads * dim);
        EXPECT_EQ(bits_differ(std::span(got).first(before), std::span(want).first(before)), "")
            << isa_name(isa) << " " << kv_format_name(format);
        for (int64_t t = broken; t < context; ++t)
          for (int64_t head = 0; head < heads; ++head)
            EXPECT_EQ(std::isnan(got[static_cast<size_t>((t * heads + head) * dim)]), head < 2)
                << t;
      }
}

TEST(PagedAttention, HugeScoresPickOneTokenAndNanStaysInItsRow) {
  const int64_t heads = 2, dim = 16, context = 70;
  for (const KvFormat format : kKvFormats)
    for (const Isa isa : isas()) {
      Cpu cpu(1, isa);
      PagedSequence s(cpu, format, 1, dim, context);
      std::vector<float> q(static_cast<size_t>(3 * heads * dim), 0);
      for (int64_t d = 0; d < dim; ++d) q[static_cast<size_t>(d)] = 1e4F;  // row 0, head 0
      q[static_cast<size_t>(heads * dim)] = NAN;                           // row 1, head 0
      std::vector<float> got(q.size());
      Tensor out = cpu.view(got, {3, heads * dim});
      paged_attention(cpu.stream(), cpu.view(q, out.shape), s.pages(), s.rows(context - 3, 3),
                      heads, 1, out);
      cpu.wait();
      std::vector<double> sums;
      for (int64_t t = 0; t < context - 2; ++t) {
        sums.push_back(0);
        for (int64_t d = 0; d < dim; ++d) sums.back() += s.k()[static_cast<size_t>(t * dim + d)];
      }
      const auto best = std::max_element(sums.begin(), sums.end()) - sums.begin();
      for (int64_t d = 0; d < dim; ++d)
        // one code times its scale, that of the weights in it
        EXPECT_FLOAT_EQ(got[static_cast<size_t>(d)], s.v()[static_cast<size_t>(best * dim + d)]);
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

TEST(FullAttention, MatchesTheFormulaWithTheSameBitsEverywhere) {
  struct Case {
    int64_t tokens, heads, dim;
  };
  for (const Case c : {Case{1, 1, 16}, Case{15, 2, 18}, Case{16, 1, 80}, Case{17, 3, 80},
                       Case{64, 1, 128}, Case{67, 2, 5}, Case{131, 2, 80}}) {
    const int64_t width = c.heads * c.dim;
    auto qkv = normal(c.tokens * 3 * width, 7);  // side by side, as one matmul gives them
    std::vector<float> q, k, v, want;
    for (int64_t t = 0; t < c.tokens; ++t) {
      const auto row = qkv.begin() + t * 3 * width;
      q.insert(q.end(), row, row + width);
      k.insert(k.end(), row + width, row + 2 * width);
      v.insert(v.end(), row + 2 * width, row + 3 * width);
    }
    const std::vector<int64_t> contexts(static_cast<size_t>(c.tokens), c.tokens);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const KvFormat format = dtype == DType::kF32 ? KvFormat::kF32 : KvFormat::kBF16;
      const auto exact = attention_in_double(as_multiplied(q, format), as_multiplied(k, format),
                                             as_multiplied(v, format), c.heads, c.heads, c.dim,
                                             double{0.11F}, contexts);
      want.clear();
      for (const Isa isa : isas()) {
        Cpu cpu(2, isa);
        const DeviceBuffer room = cpu.device().allocate(1 << 20, MemoryKind::kArena, "test");
        Arena arena(room);
        const Tensor all = cpu.view(qkv, {c.tokens, 3 * width});
        std::vector<float> got(q.size());
        Tensor out = cpu.view(got, {c.tokens, width});
        full_attention(cpu.stream(), arena, all.slice_cols(0, width), all.slice_cols(width, width),
                       all.slice_cols(2 * width, width), dtype, c.heads, 0.11F, out);
        cpu.wait();
        EXPECT_EQ(differs(got, exact, 0, tolerance(format)), "")
            << isa_name(isa) << " " << c.tokens;
        if (want.empty()) want = got;
        EXPECT_EQ(bits_differ(got, want), "") << isa_name(isa) << " " << c.tokens;
      }
    }
  }
}

}  // namespace
}  // namespace tessera
