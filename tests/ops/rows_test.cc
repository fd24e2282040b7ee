// The ops that move or combine numbers one by one.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/activation.h"
#include "ops/add.h"
#include "ops/embedding.h"
#include "ops/patches.h"
#include "tests/ops/cpu.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

TEST(Embedding, CopiesTheRowsOfItsIds) {
  Cpu cpu(2);
  auto table = normal(5 * 33, 1);
  std::vector<uint16_t> narrow = {0x3f80, 0x4000, 0xbf80, 0x7f80};  // 1, 2; -1, inf
  std::vector<int32_t> ids = {4, 0, 4}, two = {1, 0};
  std::vector<float> got(3 * 33), from_narrow(4);
  Tensor out = cpu.view(got, {3, 33}), out2 = cpu.view(from_narrow, {2, 2});
  embedding(cpu.stream(), cpu.view(ids, {3}), cpu.view(table, {5, 33}), out);
  embedding(cpu.stream(), cpu.view(two, {2}), cpu.view(narrow, {2, 2}), out2);
  cpu.wait();
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 33; ++c)
      EXPECT_EQ(got[r * 33 + c], table[static_cast<size_t>(ids[r]) * 33 + c]);
  EXPECT_EQ(from_narrow, (std::vector<float>{-1, INFINITY, 1, 2}));
}

TEST(Embedding, AnIdOutsideTheTableIsAnError) {
  for (const int32_t id : {5, -1, INT32_MIN}) {
    Cpu cpu;
    auto table = normal(5 * 3, 1);
    std::vector<int32_t> ids = {0, id};
    std::vector<float> got(6);
    Tensor out = cpu.view(got, {2, 3});
    embedding(cpu.stream(), cpu.view(ids, {2}), cpu.view(table, {5, 3}), out);
    EXPECT_EQ(error_of([&] { cpu.wait(); }),
              "embedding: token id in row 1: expected 0 to 4, found " + std::to_string(id));
  }
}

TEST(Embedding, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  auto table = normal(15, 1), y = normal(8, 2);
  std::vector<int32_t> ids = {0, 1};
  Tensor out = cpu.view(y, {2, 4});
  EXPECT_EQ(error_of([&] {
              embedding(cpu.stream(), cpu.view(ids, {2}), cpu.view(table, {5, 3}), out);
            }),
            "embedding: out: expected f32 [2, 3], found f32 [2, 4]");
  EXPECT_EQ(error_of([&] {
              embedding(cpu.stream(), cpu.view(table, {2}), cpu.view(table, {3, 4}), out);
            }),
            "embedding: ids: expected i32 [2], found f32 [2]");
}

TEST(Add, AddsRowsAndOneRowToAll) {
  Cpu cpu(2);
  auto x = normal(3 * 17, 1), y = normal(3 * 17, 2);
  std::vector<float> got(3 * 17);
  Tensor out = cpu.view(got, {3, 17});
  const Tensor a = cpu.view(x, {3, 17}), b = cpu.view(y, {3, 17});
  add(cpu.stream(), a, b, out);
  cpu.wait();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], x[i] + y[i]);
  add(cpu.stream(), a, b.slice_rows(1, 1), out);
  cpu.wait();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], x[i] + y[17 + i % 17]);
  EXPECT_EQ(error_of([&] { add(cpu.stream(), a, b.slice_rows(0, 2), out); }),
            "add: y: expected f32 [3, 17], found f32 [2, 17]");
}

TEST(CopyRows, CopiesBetweenStridesAndWidensBf16) {
  Cpu cpu(2);
  auto x = normal(2 * 9, 1);
  std::vector<float> got(2 * 7, 99);
  Tensor out = cpu.view(got, {2, 7}).slice_cols(1, 5);
  copy_rows(cpu.stream(), cpu.view(x, {2, 9}).slice_cols(3, 5), out);
  cpu.wait();
  for (size_t r = 0; r < 2; ++r)
    for (size_t c = 0; c < 7; ++c)
      EXPECT_EQ(got[r * 7 + c], c < 1 || c > 5 ? 99 : x[r * 9 + c - 1 + 3]);
  std::vector<uint16_t> narrow = {0x3f80, 0xc000};
  Tensor pair = cpu.view(got, {1, 2});
  copy_rows(cpu.stream(), cpu.view(narrow, {1, 2}), pair);
  cpu.wait();
  EXPECT_EQ(got[0], 1);
  EXPECT_EQ(got[1], -2);
}

TEST(Swiglu, MatchesTheFormulaAlsoInPlace) {
  for (const int64_t ffn : {1, 15, 17, 4096}) {
    Cpu cpu(2);
    auto gate_up = normal(3 * 2 * ffn, 1);
    for (float& v : gate_up) v *= 4;
    std::vector<double> want;
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t c = 0; c < ffn; ++c) {
        const double g = double{gate_up[static_cast<size_t>(r * 2 * ffn + c)]};
        want.push_back(g / (1 + std::exp(-g)) *
                       double{gate_up[static_cast<size_t>(r * 2 * ffn + ffn + c)]});
      }
    std::vector<float> got(want.size());
    Tensor out = cpu.view(got, {3, ffn});
    const Tensor in = cpu.view(gate_up, {3, 2 * ffn});
    swiglu(cpu.stream(), in, out);
    cpu.wait();
    EXPECT_EQ(differs(got, want, 5e-7), "") << ffn;  // exp 2 units, then three roundings
    Tensor gate = in.slice_cols(0, ffn);
    swiglu(cpu.stream(), in, gate);
    cpu.wait();
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t c = 0; c < ffn; ++c)
        EXPECT_EQ(gate.f32(r)[c], got[static_cast<size_t>(r * ffn + c)]);
  }
}

TEST(Swiglu, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  auto x = normal(12, 1), y = normal(12, 2);
  Tensor out = cpu.view(y, {2, 4});
  EXPECT_EQ(error_of([&] {
              swiglu(cpu.stream(), cpu.view(x, {2, 6}), out);
            }),
            "swiglu: gate_up: expected f32 [2, 8], found f32 [2, 6]");
}

TEST(Gelu, MatchesEachFormulaOnStridedRows) {
  const auto tanh_gelu = [](double x) {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  const auto exact = [&](GeluKind kind, double x) {
    if (kind == GeluKind::kErf) return x / 2 * std::erfc(-x / std::sqrt(2.0));
    return kind == GeluKind::kQuick ? x / (1 + std::exp(-1.702 * x)) : tanh_gelu(x);
  };
  for (const GeluKind kind : {GeluKind::kErf, GeluKind::kQuick, GeluKind::kTanh}) {
    Cpu cpu(3);
    auto x = normal(4 * 70, 1);
    for (float& v : x) v *= 3;
    const auto before = x;
    Tensor view = cpu.view(x, {4, 70}).slice_cols(2, 67);
    gelu(cpu.stream(), view, kind);
    cpu.wait();
    for (size_t i = 0; i < x.size(); ++i) {
      const bool own = i % 70 >= 2 && i % 70 < 69;
      const double want = own ? exact(kind, double{before[i]}) : double{before[i]};
      EXPECT_NEAR(double{x[i]}, want, 4e-7 * std::fabs(double{before[i]})) << i;
    }
  }
}

// One after another by the reference: the vector and the tail part of each loop must agree with it.
TEST(Activations, SameBitsInEveryColumnAndOnEveryInstructionSet) {
  const int64_t n = 77;
  auto x = normal(n, 1), up = normal(n, 2);
  x[5] = NAN, x[6] = INFINITY, x[7] = -INFINITY, x[8] = -0.0F, x[9] = 100, x[10] = -100;
  auto row = x, pairs = std::vector<float>();
  row.insert(row.end(), up.begin(), up.end());  // gate, then up
  for (size_t i = 0; i < x.size(); ++i) pairs.insert(pairs.end(), {x[i], up[i]});

  Cpu plain(1, Isa::kPlain);
  std::vector<float> want(x.size()), got(x.size());
  Tensor column = plain.view(want, {n, 1});
  swiglu(plain.stream(), plain.view(pairs, {n, 2}), column);
  plain.wait();
  for (const Isa isa : isas()) {
    Cpu cpu(1, isa);
    Tensor out = cpu.view(got, {1, n});
    swiglu(cpu.stream(), cpu.view(row, {1, 2 * n}), out);
    cpu.wait();
    EXPECT_EQ(bits_differ(got, want), "") << isa_name(isa);
  }
  for (const GeluKind kind : {GeluKind::kErf, GeluKind::kQuick, GeluKind::kTanh}) {
    want = x;
    gelu(plain.stream(), column, kind);
    plain.wait();
    for (const Isa isa : isas()) {
      Cpu cpu(1, isa);
      got = x;
      Tensor out = cpu.view(got, {1, n});
      gelu(cpu.stream(), out, kind);
      cpu.wait();
      EXPECT_EQ(bits_differ(got, want), "") << isa_name(isa);
    }
  }
}

TEST(Patchify, PutsEveryPixelWhereTheFormulaSays) {
  struct Case {
    int64_t channels, height, width, patch;
  };
  for (const Case c : {Case{3, 4, 6, 2}, Case{1, 1, 1, 1}, Case{3, 28, 42, 14}, Case{2, 9, 3, 3}}) {
    Cpu cpu(2);
    auto pixels = normal(c.channels * c.height * c.width, 1);
    const int64_t rows = c.height / c.patch * (c.width / c.patch);
    const int64_t cols = c.channels * c.patch * c.patch;
    std::vector<float> got(static_cast<size_t>(rows * cols));
    Tensor out = cpu.view(got, {rows, cols});
    patchify(cpu.stream(), cpu.view(pixels, {c.channels, c.height, c.width}), c.patch, out);
    cpu.wait();
    for (int64_t ch = 0; ch < c.channels; ++ch)
      for (int64_t y = 0; y < c.height; ++y)
        for (int64_t x = 0; x < c.width; ++x) {
          const int64_t row = y / c.patch * (c.width / c.patch) + x / c.patch;
          const int64_t col = (ch * c.patch + y % c.patch) * c.patch + x % c.patch;
          EXPECT_EQ(got[static_cast<size_t>(row * cols + col)],
                    pixels[static_cast<size_t>((ch * c.height + y) * c.width + x)]);
        }
  }
}

TEST(Patchify, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  auto pixels = normal(3 * 4 * 6, 1), y = normal(6 * 12, 2);
  Tensor out = cpu.view(y, {6, 12});
  const Tensor picture = cpu.view(pixels, {3, 4, 6});
  const auto call = [&](const Tensor& from, int64_t patch) {
    return error_of([&] {
      patchify(cpu.stream(), from, patch, out);
      cpu.wait();
    });
  };
  EXPECT_EQ(call(picture, 2), "no error");
  EXPECT_EQ(call(picture, 4), "patchify: width: expected a multiple of 4, found 6");
  EXPECT_EQ(call(picture, 0), "patchify: patch: expected at least 1, found 0");
  EXPECT_EQ(call(cpu.view(pixels, {12, 6}), 2),
            "patchify: dimensions of pixels: expected 3, found 2");
  EXPECT_EQ(call(picture, 1), "patchify: out: expected f32 [24, 3], found f32 [6, 12]");
}

}  // namespace
}  // namespace tessera
