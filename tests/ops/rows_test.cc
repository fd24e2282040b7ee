// The ops that move or combine numbers one by one.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/activation.h"
#include "ops/add.h"
#include "ops/convert.h"
#include "ops/embedding.h"
#include "ops/patches.h"
#include "tests/ops/op_device.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using EmbeddingOp = OpTest;
using AddOp = OpTest;
using CopyRowsOp = OpTest;
using SwigluOp = OpTest;
using GeluOp = OpTest;
using PatchifyOp = OpTest;
INSTANTIATE_TEST_SUITE_P(, EmbeddingOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, AddOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, CopyRowsOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, SwigluOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, GeluOp, testing::ValuesIn(op_targets()), target_name);
INSTANTIATE_TEST_SUITE_P(, PatchifyOp, testing::ValuesIn(op_targets()), target_name);

// Around the four numbers and the 512 of a block that a GPU moves at once; a model's.
constexpr int64_t kWidths[] = {1, 3, 4, 5, 33, 511, 512, 513, 7168};

TEST_P(EmbeddingOp, CopiesTheRowsOfItsIds) {
  OpDevice device = open();
  for (const int64_t width : kWidths) {
    auto table = normal(5 * width, 1);
    std::vector<int32_t> ids = {4, 0, 4};
    std::vector<float> got(static_cast<size_t>(3 * width));
    Tensor out = device.view(got, {3, width});
    embedding(device.stream(), device.view(ids, {3}), device.view(table, {5, width}), out);
    device.wait();
    for (size_t r = 0; r < 3; ++r)
      for (size_t c = 0; c < static_cast<size_t>(width); ++c)
        ASSERT_EQ(got[r * static_cast<size_t>(width) + c],
                  table[static_cast<size_t>(ids[r] * width) + c]);
  }
}

TEST_P(EmbeddingOp, WidensBf16) {
  OpDevice device = open();
  for (const int64_t width : kWidths) {
    std::vector<uint16_t> table(static_cast<size_t>(64 * width));
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint16_t>(i * 40503U);
    std::vector<int32_t> ids = {63, 1};
    std::vector<float> got(static_cast<size_t>(2 * width)), want;
    Tensor out = device.view(got, {2, width});
    embedding(device.stream(), device.view(ids, {2}), device.view(table, {64, width}), out);
    device.wait();
    for (const int64_t id : ids)
      for (int64_t c = 0; c < width; ++c)
        want.push_back(f32_from_bf16(table[static_cast<size_t>(id * width + c)]));
    EXPECT_EQ(bits_differ(got, want), "");
  }
}

TEST_P(EmbeddingOp, AnIdOutsideTheTableIsAnError) {
  for (const int32_t id : {5, -1, INT32_MIN}) {
    OpDevice device = open(1);
    auto table = normal(5 * 3, 1);
    std::vector<int32_t> ids = {0, id};
    std::vector<float> got(6);
    Tensor out = device.view(got, {2, 3});
    embedding(device.stream(), device.view(ids, {2}), device.view(table, {5, 3}), out);
    const std::string where =
        cuda() ? "cuda:0: token id in stream test" : "embedding: token id in row 1";
    EXPECT_EQ(error_of([&] { device.wait(); }),
              where + ": expected 0 to 4, found " + std::to_string(id));
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

TEST_P(AddOp, AddsRowsAndOneRowToAll) {
  OpDevice device = open();
  for (const int64_t width : kWidths)
    for (const bool one_row : {false, true}) {
      const auto cols = static_cast<size_t>(width);
      auto x = normal(3 * width, 1), y = normal(3 * width, 2);
      std::vector<float> got(x.size());
      Tensor out = device.view(got, {3, width});
      const Tensor b = device.view(y, {3, width});
      add(device.stream(), device.view(x, {3, width}), one_row ? b.slice_rows(1, 1) : b, out);
      device.wait();
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_EQ(got[i], x[i] + y[one_row ? cols + i % cols : i]) << width;
    }
}

TEST_P(AddOp, InPlaceOnSlices) {
  OpDevice device = open();
  auto x = normal(4 * 30, 1), y = normal(4 * 27, 2);
  const auto before = x;
  Tensor out = device.view(x, {4, 30}).slice_cols(3, 26);
  add(device.stream(), out, device.view(y, {4, 27}).slice_cols(1, 26), out);
  device.wait();
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t r = i / 30, c = i % 30;
    EXPECT_EQ(x[i], c < 3 || c >= 29 ? before[i] : before[i] + y[r * 27 + c - 2]) << i;
  }
}

TEST(Add, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  auto x = normal(3 * 17, 1);
  Tensor out = cpu.view(x, {3, 17});
  EXPECT_EQ(error_of([&] { add(cpu.stream(), out, out.slice_rows(0, 2), out); }),
            "add: y: expected f32 [3, 17], found f32 [2, 17]");
}

TEST_P(CopyRowsOp, CopiesBetweenStrides) {
  OpDevice device = open();
  for (const int64_t first : {3, 4}) {  // at a boundary of 16 bytes and beside
    auto x = normal(2 * 12, 1);
    std::vector<float> got(2 * 8, 99);
    Tensor out = device.view(got, {2, 8}).slice_cols(first - 3, 5);
    copy_rows(device.stream(), device.view(x, {2, 12}).slice_cols(first, 5), out);
    device.wait();
    const auto begin = static_cast<size_t>(first) - 3;
    for (size_t r = 0; r < 2; ++r)
      for (size_t c = 0; c < 8; ++c)
        EXPECT_EQ(got[r * 8 + c], c < begin || c >= begin + 5 ? 99 : x[r * 12 + c + 3]);
  }
}

TEST_P(CopyRowsOp, WidensBf16) {
  OpDevice device = open();
  for (const int64_t first : {3, 4}) {
    std::vector<uint16_t> x(size_t{3 * 600});
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i * 40503U);
    std::vector<float> got(size_t{3 * 590}), want;
    Tensor out = device.view(got, {3, 590});
    copy_rows(device.stream(), device.view(x, {3, 600}).slice_cols(first, 590), out);
    device.wait();
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t c = 0; c < 590; ++c)
        want.push_back(f32_from_bf16(x[static_cast<size_t>(r * 600 + first + c)]));
    EXPECT_EQ(bits_differ(got, want), "");
  }
}

TEST_P(SwigluOp, MatchesTheFormulaAlsoInPlace) {
  for (const int64_t ffn : {1, 15, 17, 4096, 20480}) {
    OpDevice device = open();
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
    Tensor out = device.view(got, {3, ffn}), in = device.view(gate_up, {3, 2 * ffn});
    swiglu(device.stream(), in, out);
    Tensor gate = in.slice_cols(0, ffn);
    swiglu(device.stream(), in, gate);
    device.wait();
    EXPECT_EQ(differs(got, want, 5e-7), "") << ffn;  // exp 2 units, then three roundings
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t c = 0; c < ffn; ++c)
        ASSERT_EQ(gate_up[static_cast<size_t>(r * 2 * ffn + c)],
                  got[static_cast<size_t>(r * ffn + c)]);
  }
}

// What is broken stays broken; what is large saturates.
TEST_P(SwigluOp, KeepsNanAndSaturates) {
  OpDevice device = open(1);
  std::vector<float> gate_up = {NAN, INFINITY, -INFINITY, 100, -100, -0.0F, 2,   3,
                                1,   1,        1,         1,   1,    1,     NAN, INFINITY};
  std::vector<float> got(8);
  Tensor out = device.view(got, {1, 8});
  swiglu(device.stream(), device.view(gate_up, {1, 16}), out);
  device.wait();
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_EQ(got[1], INFINITY);
  EXPECT_TRUE(std::isnan(got[2]));  // -inf * 0
  EXPECT_EQ(got[3], 100);
  EXPECT_NEAR(got[4], 0, 1e-35);
  EXPECT_EQ(got[5], 0);
  EXPECT_TRUE(std::isnan(got[6]));
  EXPECT_EQ(got[7], INFINITY);
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

TEST_P(GeluOp, MatchesEachFormulaOnStridedRows) {
  const auto tanh_gelu = [](double x) {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  const auto exact = [&](GeluKind kind, double x) {
    if (kind == GeluKind::kErf) return x / 2 * std::erfc(-x / std::sqrt(2.0));
    return kind == GeluKind::kQuick ? x / (1 + std::exp(-1.702 * x)) : tanh_gelu(x);
  };
  for (const GeluKind kind : {GeluKind::kErf, GeluKind::kQuick, GeluKind::kTanh})
    for (const int64_t width : {70, 72, 5124}) {
      OpDevice device = open(3);
      auto x = normal(4 * width, 1);
      for (float& v : x) v *= 3;
      const auto before = x;
      const int64_t first = width % 4;  // 72: at a boundary of 16 bytes
      Tensor view = device.view(x, {4, width}).slice_cols(first, width - 3);
      gelu(device.stream(), view, kind);
      device.wait();
      for (size_t i = 0; i < x.size(); ++i) {
        const int64_t col = static_cast<int64_t>(i) % width;
        const bool own = col >= first && col < first + width - 3;
        const double want = own ? exact(kind, double{before[i]}) : double{before[i]};
        ASSERT_NEAR(double{x[i]}, want, 4e-7 * std::fabs(double{before[i]})) << i;
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

struct PatchCase {
  int64_t channels, height, width, patch;
};

void expect_every_pixel(OpDevice device, const PatchCase& c) {
  auto pixels = normal(c.channels * c.height * c.width, 1);
  const int64_t rows = c.height / c.patch * (c.width / c.patch);
  const int64_t cols = c.channels * c.patch * c.patch;
  std::vector<float> got(static_cast<size_t>(rows * (cols + 1)), 99);
  Tensor out = device.view(got, {rows, cols + 1}).slice_cols(1, cols);
  patchify(device.stream(), device.view(pixels, {c.channels, c.height, c.width}), c.patch, out);
  device.wait();
  for (int64_t ch = 0; ch < c.channels; ++ch)
    for (int64_t y = 0; y < c.height; ++y)
      for (int64_t x = 0; x < c.width; ++x) {
        const int64_t row = y / c.patch * (c.width / c.patch) + x / c.patch;
        const int64_t col = (ch * c.patch + y % c.patch) * c.patch + x % c.patch;
        ASSERT_EQ(got[static_cast<size_t>(row * (cols + 1) + 1 + col)],
                  pixels[static_cast<size_t>((ch * c.height + y) * c.width + x)]);
      }
  for (int64_t r = 0; r < rows; ++r) ASSERT_EQ(got[static_cast<size_t>(r * (cols + 1))], 99);
}

TEST_P(PatchifyOp, PutsEveryPixelWhereTheFormulaSays) {
  for (const PatchCase& c : {PatchCase{3, 4, 6, 2}, {1, 1, 1, 1}, {3, 28, 42, 14}, {2, 9, 3, 3}})
    expect_every_pixel(open(), c);
}

TEST_P(PatchifyOp, OfAPictureOfRealSizeToo) {
  expect_every_pixel(open(), {3, 448, 448, 14});
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
