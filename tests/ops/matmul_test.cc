#include "ops/matmul.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <span>

#include "ops/convert.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"
#include "tests/support/sanitized.h"

namespace tessera {
namespace {

constexpr double kUnit = 0x1p-24;  // half a unit in the last place of an f32, relative

struct MatmulCase {
  int64_t rows, in, out;
  Precision precision = Precision::kF32;
  bool bias = false, residual = false;
};

// x, w, bias and what is in out beforehand, all random, and one call.
struct Operands {
  explicit Operands(const MatmulCase& c)
      : x(normal(c.rows * c.in, 1)),
        w(normal(c.out * c.in, 2)),
        bias(normal(c.out, 3)),
        before(normal(c.rows * c.out, 4)) {}
  std::vector<float> x, w, bias, before;
};

std::vector<float> run(OpDevice& device, const MatmulCase& c, Operands& o) {
  const Packed w(device.device(), c.precision, c.out, c.in, o.w);
  Scratch scratch(device.device(), w.matrix(), c.rows);
  std::vector<float> got = o.before;
  Tensor out = device.view(got, {c.rows, c.out});
  const Tensor bias = device.view(o.bias, {c.out});
  matmul(device.stream(), scratch.arena(), device.view(o.x, {c.rows, c.in}), w.matrix(),
         {.bias = c.bias ? &bias : nullptr, .add_to_out = c.residual}, out);
  device.wait();
  return got;
}

// What rows of x mean once they are in the type that the weights are multiplied in, [rows,
// padded_in].
std::vector<double> as_multiplied(const MatmulCase& c, const std::vector<float>& x) {
  const WeightFormat format = weight_format(c.precision);
  const int64_t padded_in = PackedMatrix{.precision = c.precision, .in = c.in}.padded_in();
  std::vector<double> out;
  for (auto row = x.begin(); row != x.end(); row += c.in)
    for (int64_t first = 0; first < padded_in; first += format.group) {
      std::vector<float> group(row + first, row + std::min(first + format.group, c.in));
      group.resize(static_cast<size_t>(std::min(format.group, padded_in - first)));
      if (format.bits == 8) rotate_group(group);
      float most = 0;
      for (const float v : group) most = std::max(most, std::fabs(v));
      for (float v : group) {
        if (format.bits == 16) v = f32_from_bf16(bf16_from_f32(v));
        if (format.integer && most > 0) v = std::nearbyint(v * (127 / most)) * (most / 127);
        out.push_back(v);
      }
    }
  return out;
}

std::vector<double> in_double(const MatmulCase& c, const Operands& o) {
  Cpu cpu;
  const Packed packed(cpu.device(), c.precision, c.out, c.in, o.w);
  const std::vector<double> w = meaning(packed.matrix()), x = as_multiplied(c, o.x);
  const int64_t in = packed.matrix().padded_in();
  std::vector<double> y;
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t col = 0; col < c.out; ++col) {
      double sum = 0;
      for (int64_t i = 0; i < in; ++i)
        sum += x[static_cast<size_t>(r * in + i)] * w[static_cast<size_t>(col * in + i)];
      if (c.bias) sum += double{o.bias[static_cast<size_t>(col)]};
      if (c.residual) sum += double{o.before[y.size()]};
      y.push_back(sum);
    }
  return y;
}

// Partial sums of n products of normal numbers grow like sqrt(k), each rounding is off by at most
// one unit of them, either way: n / sqrt(6) units in all, and four times that at the worst of many
// elements. Bias, residual and the last rounding add a few units of the result. Integers round
// twice a group only, and once more for a row's scale. Of bf16, tensor cores cut off each of 17
// numbers at the last place of the largest, every 16 products, but start anew every 128: as many
// units.
void expect_formula(const std::vector<float>& got, const MatmulCase& c, const Operands& o) {
  EXPECT_EQ(differs(got, in_double(c, o), 4 * kUnit, (2 * static_cast<double>(c.in) + 8) * kUnit),
            "")
      << c.rows << " x " << c.in << " x " << c.out << " " << precision_name(c.precision);
}

using Matmul = OpTest;
INSTANTIATE_TEST_SUITE_P(, Matmul, testing::ValuesIn(op_targets()), target_name);

TEST_P(Matmul, MatchesTheFormulaAtAwkwardSizes) {
  OpDevice device = open();
  for (const Precision precision : kStored)
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 31})
      for (const int64_t in : {1, 15, 33})
        for (const int64_t out : {1, 15, 16, 17, 31, 33, 64, 70}) {
          const MatmulCase c = {rows, in, out, precision};
          Operands o(c);
          expect_formula(run(device, c, o), c, o);
        }
}

TEST_P(Matmul, MatchesTheFormulaAtAModelsSize) {
  OpDevice device = open();
  for (const Precision precision : kStored) {
    const MatmulCase c = {5, 4096, 40, precision};
    Operands o(c);
    expect_formula(run(device, c, o), c, o);
  }
}

TEST_P(Matmul, AddsBiasAndResidual) {
  OpDevice device = open(1);
  for (const Precision precision : kStored)
    for (const int64_t rows : {3, 30})
      for (const bool bias : {false, true})
        for (const bool residual : {false, true}) {
          const MatmulCase c = {rows, 20, 37, precision, bias, residual};
          Operands o(c);
          expect_formula(run(device, c, o), c, o);
        }
}

// One call that has an activation, and the calls that it stands for.
std::vector<float> activated(OpDevice& device, const MatmulCase& c, Operands& o,
                             const MatmulOptions& options, bool in_one) {
  const Packed w(device.device(), c.precision, c.out, c.in, o.w);
  Scratch scratch(device.device(), w.matrix(), c.rows);
  std::vector<float> got = o.before;
  Tensor out = device.view(got, {c.rows, c.out});
  const Tensor x = device.view(o.x, {c.rows, c.in}), bias = device.view(o.bias, {c.out});
  MatmulOptions all = options;
  all.bias = c.bias ? &bias : nullptr;
  matmul(device.stream(), scratch.arena(), x, w.matrix(),
         in_one ? all : MatmulOptions{.bias = all.bias}, out);
  if (!in_one && all.gelu) gelu(device.stream(), out, *all.gelu);
  const int64_t gates = all.swiglu ? c.out / 2 : c.out;
  Tensor result = out.slice_cols(0, gates);
  if (!in_one && all.swiglu) swiglu(device.stream(), out, result);
  device.wait();
  std::vector<float> kept;  // the ups' columns may hold anything
  for (auto row = got.begin(); row != got.end(); row += c.out)
    kept.insert(kept.end(), row, row + gates);
  return kept;
}

TEST_P(Matmul, ActivationsAreThoseOfTheirOwnOps) {
  OpDevice device = open();
  for (const Precision precision : kStored)
    for (const int64_t rows : {1, 7, 40})
      for (const int64_t out : {32, 96, 224, 50}) {  // 50: a panel of gates and ups
        const MatmulCase c = {rows, 65, out, precision};
        Operands o(c);
        EXPECT_EQ(bits_differ(activated(device, c, o, {.swiglu = true}, true),
                              activated(device, c, o, {.swiglu = true}, false)),
                  "")
            << rows << " rows, " << out << " outputs, " << precision_name(precision);
        for (const GeluKind kind : {GeluKind::kErf, GeluKind::kQuick, GeluKind::kTanh}) {
          const MatmulCase with_bias = {rows, 65, out, precision, true};
          EXPECT_EQ(bits_differ(activated(device, with_bias, o, {.gelu = kind}, true),
                                activated(device, with_bias, o, {.gelu = kind}, false)),
                    "");
        }
      }
}

float flushed(float v) {
  return std::fpclassify(v) == FP_SUBNORMAL ? 0 * v : v;
}

// bf16 in the order of AMX: its sums start anew for every 32 inputs, apart for even and odd ones.
std::vector<float> as_tiles_add(const MatmulCase& c, const Operands& o) {
  const auto number = [](float v) { return flushed(f32_from_bf16(bf16_from_f32(v))); };
  std::vector<float> y = o.before;
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t col = 0; col < c.out; ++col) {
      float sum = 0;
      for (int64_t first = 0; first < c.in; first += 32) {
        float parts[2] = {};
        for (int64_t i = first; i < std::min(first + 32, c.in); ++i)
          parts[i % 2] =
              flushed(std::fma(number(o.x[static_cast<size_t>(r * c.in + i)]),
                               number(o.w[static_cast<size_t>(col * c.in + i)]), parts[i % 2]));
        sum = flushed(sum + flushed(parts[0] + parts[1]));
      }
      float& to = y[static_cast<size_t>(r * c.out + col)];
      if (c.bias) sum += o.bias[static_cast<size_t>(col)];
      to = c.residual ? sum + to : sum;
    }
  return y;
}

// The bits of each instruction set, from code that is not its own.
class Expected {
 public:
  Expected(const MatmulCase& c, const Operands& o) : case_(c) {
    Cpu plain(1, Isa::kPlain);
    for (int64_t r = 0; r < c.rows; ++r) {  // row by row
      MatmulCase single = c;
      single.rows = 1;
      Operands row = o;
      row.x.assign(o.x.begin() + r * c.in, o.x.begin() + (r + 1) * c.in);
      row.before.assign(o.before.begin() + r * c.out, o.before.begin() + (r + 1) * c.out);
      const auto got = run(plain, single, row);
      of_all_.insert(of_all_.end(), got.begin(), got.end());
    }
    if (c.precision == Precision::kBF16) of_tiles_ = as_tiles_add(c, o);
  }
  const std::vector<float>& of(Isa isa) const {
    return case_.precision == Precision::kBF16 && isa == Isa::kAmx ? of_tiles_ : of_all_;
  }

 private:
  MatmulCase case_;
  std::vector<float> of_all_, of_tiles_;
};

// What everything else rests on: a row's bits come from that row and the weights alone.
TEST(MatmulOnCpus, SameBitsForEveryThreadCountAndSplitOfRows) {
  for (const Precision precision : kStored) {
    const MatmulCase c = {
        .rows = 29, .in = 331, .out = 83, .precision = precision, .bias = true, .residual = true};
    Operands o(c);
    const Expected want(c, o);
    for (const Isa isa : isas())
      for (int threads = 1; threads <= 4; ++threads) {
        Cpu cpu(threads, isa);
        const Packed w(cpu.device(), precision, c.out, c.in, o.w);
        Scratch scratch(cpu.device(), w.matrix(), c.rows);
        const Tensor bias = cpu.view(o.bias, {c.out});
        const Tensor x = cpu.view(o.x, {c.rows, c.in});
        for (int64_t step = 1; step <= c.rows; step += kSanitized ? 4 : 1) {  // rows at a time
          std::vector<float> got = o.before;
          for (int64_t first = 0; first < c.rows; first += step) {
            const int64_t rows = std::min(step, c.rows - first);
            Tensor out = cpu.view(got, {c.rows, c.out}).slice_rows(first, rows);
            matmul(cpu.stream(), scratch.arena(), x.slice_rows(first, rows), w.matrix(),
                   {.bias = &bias, .add_to_out = true}, out);
          }
          cpu.wait();
          ASSERT_EQ(bits_differ(got, want.of(isa)), "")
              << isa_name(isa) << ", " << threads << " threads, " << step << " rows at a time";
        }
      }
  }
}

TEST(MatmulOnCpus, ManyRowsAreSplitIntoTasksWithTheSameBits) {
  for (const Precision precision : kStored)
    // tasks; chunks in a task; chunks with many rows and with those that are left; all of it
    for (const auto& [rows, in, out] :
         {std::array{401, 24, 50}, {45, 1100, 50}, {77, 770, 70}, {270, 1100, 150}}) {
      const MatmulCase c = {.rows = rows, .in = in, .out = out, .precision = precision};
      Operands o(c);
      const Expected want(c, o);
      for (const Isa isa : isas()) {
        Cpu cpu(3, isa);
        EXPECT_EQ(bits_differ(run(cpu, c, o), want.of(isa)), "") << isa_name(isa);
      }
    }
}

TEST_P(Matmul, ReadsAndWritesViewsAtAnyAddressAndNothingBeside) {
  const int64_t rows = 7, in = 19, out = 21, x_stride = 29, y_stride = 31;
  auto x = normal(rows * x_stride + 1, 1), w = normal(out * in, 2);
  OpDevice device = open();
  const Packed packed(device.device(), Precision::kF32, out, in, w);
  Scratch scratch(device.device(), packed.matrix(), rows);
  std::vector<float> y(static_cast<size_t>(rows * y_stride + 1), 99);
  // one number in: 4-byte aligned only
  const auto view = [&](std::vector<float>& v, int64_t stride) {
    return Tensor(device.memory(v) + 1, &device.device(), DType::kF32, {rows, stride});
  };
  Tensor ys = view(y, y_stride).slice_cols(5, out);
  matmul(device.stream(), scratch.arena(), view(x, x_stride).slice_cols(3, in), packed.matrix(), {},
         ys);
  device.wait();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < y_stride; ++c) {
      const float got = y[static_cast<size_t>(1 + r * y_stride + c)];
      if (c < 5 || c >= 5 + out) {
        EXPECT_EQ(got, 99) << "written outside at row " << r << ", column " << c;
        continue;
      }
      float want = 0;  // f32 is one chain everywhere
      for (int64_t i = 0; i < in; ++i)
        want = std::fma(x[static_cast<size_t>(1 + r * x_stride + 3 + i)],
                        w[static_cast<size_t>((c - 5) * in + i)], want);
      EXPECT_EQ(got, want);
    }
  EXPECT_EQ(y[0], 99);
}

TEST_P(Matmul, NanAndInfinityReachOnlyTheirOwnRowAndColumn) {
  for (const Precision precision : kStored)
    for (const int64_t rows : {13, 31}) {
      OpDevice device = open(1);
      const MatmulCase c = {.rows = rows, .in = 17, .out = 33, .precision = precision};
      const bool integer = weight_format(precision).integer;  // infinity has no code
      Operands o(c);
      o.x[5 * 17 + 3] = NAN;
      o.x[6 * 17 + 3] = INFINITY;
      o.w[9 * 17 + 2] = NAN;
      const auto got = run(device, c, o);
      for (int64_t r = 0; r < c.rows; ++r)
        for (int64_t col = 0; col < c.out; ++col) {
          const float y = got[static_cast<size_t>(r * c.out + col)];
          EXPECT_EQ(std::isnan(y), r == 5 || col == 9 || (integer && r == 6)) << r << ", " << col;
          EXPECT_EQ(std::isinf(y), !integer && r == 6 && col != 9) << r << ", " << col;
        }
    }
}

// Denormal numbers are 0 to the bf16 instructions, as inputs and as results.
TEST(MatmulOnCpus, TinyNumbersAreZero) {
  const MatmulCase c = {.rows = 3, .in = 40, .out = 20, .precision = Precision::kBF16};
  Operands o(c);
  for (size_t i = 0; i < o.x.size(); ++i) o.x[i] *= std::ldexp(1.0F, -static_cast<int>(i % 140));
  for (size_t i = 0; i < o.w.size(); ++i)
    o.w[i] *= std::ldexp(1.0F, -static_cast<int>(i * 7 % 140));
  const Expected want(c, o);
  for (const Isa isa : isas()) {
    Cpu cpu(1, isa);
    EXPECT_EQ(bits_differ(run(cpu, c, o), want.of(isa)), "") << isa_name(isa);
  }
}

TEST_P(Matmul, NoRowsIsNoWork) {
  OpDevice device = open();
  const MatmulCase c = {.rows = 0, .in = 4, .out = 5};
  Operands o(c);
  o.x.resize(4);
  o.before.resize(5);
  EXPECT_EQ(run(device, c, o), o.before);
}

TEST(MatmulOnCpus, NamesTheArgumentThatIsWrong) {
  Cpu cpu, other;
  auto x = normal(12, 1), y = normal(10, 2), bias = normal(4, 3);
  std::vector<uint16_t> narrow(12);
  const Packed w(cpu.device(), Precision::kF32, 5, 6, normal(30, 4));
  Scratch scratch(cpu.device(), w.matrix(), 3);
  Tensor out = cpu.view(y, {2, 5});
  const Tensor short_bias = cpu.view(bias, {4});
  const auto call = [&](const Tensor& from, const PackedMatrix& by, const MatmulOptions& options) {
    return error_of([&] { matmul(cpu.stream(), scratch.arena(), from, by, options, out); });
  };
  EXPECT_EQ(call(cpu.view(x, {3, 4}), w.matrix(), {}),
            "matmul: x: expected f32 [3, 6], found f32 [3, 4]");
  EXPECT_EQ(call(cpu.view(x, {12}), w.matrix(), {}),
            "matmul: x: expected f32 of two dimensions, found f32 [12]");
  EXPECT_EQ(call(cpu.view(narrow, {2, 6}), w.matrix(), {}),
            "matmul: x: expected f32 [2, 6], found bf16 [2, 6]");
  EXPECT_EQ(call(cpu.view(x, {1, 6}), w.matrix(), {}),
            "matmul: out: expected f32 [1, 5], found f32 [2, 5]");
  EXPECT_EQ(call(cpu.view(x, {2, 6}), w.matrix(), {.bias = &short_bias}),
            "matmul: bias: expected f32 [5], found f32 [4]");
  EXPECT_EQ(call(other.view(x, {2, 6}), w.matrix(), {}),
            "matmul: x: expected on cpu:0, found on cpu:0");
  EXPECT_EQ(call(Tensor(nullptr, &cpu.device(), DType::kF32, {2, 6}), w.matrix(), {}),
            "matmul: x: expected memory, found a null pointer");
  EXPECT_EQ(call(cpu.view(x, {2, 6}), w.matrix(), {.add_to_out = true, .gelu = GeluKind::kErf}),
            "matmul: add_to_out: expected no activation beside it, found 1");
  EXPECT_EQ(call(cpu.view(x, {2, 6}), w.matrix(), {.gelu = GeluKind::kErf, .swiglu = true}),
            "matmul: swiglu: expected no bias and no gelu, found 1");
  EXPECT_EQ(call(cpu.view(x, {2, 6}), w.matrix(), {.swiglu = true}),
            "matmul: w: expected as many gates as ups, found 5");
  PackedMatrix bad = w.matrix();
  bad.precision = Precision::kFp8;
  EXPECT_EQ(call(cpu.view(x, {2, 6}), bad, {}),
            "matmul: w: expected a precision that CPUs compute, at least [1, 1], found fp8 [5, 6]");
}

}  // namespace
}  // namespace tessera
