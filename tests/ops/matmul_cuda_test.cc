#include <gtest/gtest.h>

#include "ops/matmul.h"
#include "tests/ops/model_sized_weights.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/differs.h"
#ifdef TESSERA_CUDA_EMULATED
#include "cuda_emulator/control.h"
#endif

// What holds for matmul on GPUs beyond the properties of matmul_test.cc.

namespace tessera {
namespace {

class MatmulCuda : public OpTest {};
INSTANTIATE_TEST_SUITE_P(, MatmulCuda, testing::Values(OpTarget{.kind = DeviceKind::kCuda}),
                         target_name);

// The last `rows` of `all` rows of x, with bias and residual.
std::vector<float> last_rows(OpDevice& device, const PackedMatrix& w, int64_t rows,
                             const std::vector<float>& all, std::vector<float>& bias) {
  std::vector<float> x(all.end() - rows * w.in, all.end());
  std::vector<float> y(static_cast<size_t>(rows * w.out), 0.5F);
  Scratch scratch(device.device(), w, rows);
  Tensor out = device.view(y, {rows, w.out});
  const Tensor bias_view = device.view(bias, {w.out});
  matmul(device.stream(), scratch.arena(), device.view(x, {rows, w.in}), w,
         {.bias = &bias_view, .add_to_out = true}, out);
  device.wait();
  return y;
}

// A row's bits come from that row and the weights alone: not from the rows beside it, which choose
// the kernel, the width of its tiles and where the row lies in them.
void expect_same_bits(OpDevice& device, Precision precision, int64_t in, int64_t out,
                      std::initializer_list<int64_t> row_counts) {
  const Packed w(device.device(), precision, out, in, normal(out * in, 2));
  const int64_t most = std::max(row_counts);
  auto x = normal(most * in, 1), bias = normal(out, 3);
  const std::vector<float> all = last_rows(device, w.matrix(), most, x, bias);
  for (const int64_t rows : row_counts) {
    const std::vector<float> got = last_rows(device, w.matrix(), rows, x, bias);
    const std::vector<float> want(all.end() - rows * out, all.end());
    EXPECT_EQ(bits_differ(got, want), "") << rows << " of " << most << " rows, " << in << " x "
                                          << out << " " << precision_name(precision);
  }
}

TEST_P(MatmulCuda, SameBitsInAnyCompany) {
  OpDevice device = open();
  for (const Precision precision : kStored) {
    expect_same_bits(device, precision, 1156, 83, {1, 5, 8, 9, 16, 17, 33, 64, 65, 200});
    expect_same_bits(device, precision, 50, 600, {1, 4, 16, 17, 32, 64, 200});
  }
}

// Each kernel in as few steps as show what its threads do to each other (rings that are filled
// again, the barrier after eight groups): for ThreadSanitizer and other orders of threads, which
// take long.
TEST_P(MatmulCuda, EachKernelInAFewSteps) {
  OpDevice device = open();
  for (const Precision precision : kStored) expect_same_bits(device, precision, 1156, 40, {3, 20});
}

#ifdef TESSERA_CUDA_EMULATED
// As small a card as has enough blocks when each takes 64 outputs.
TEST_P(MatmulCuda, EachKernelOfWideBlocksInAFewSteps) {
  EmulatedMachine machine = emulated_machine_of_environment();
  machine.processors = 1;
  set_up_emulated_machine(machine);
  {
    OpDevice device = open();
    for (const Precision precision : {Precision::kInt8, Precision::kInt5})
      expect_same_bits(device, precision, 1156, 130, {3, 9});
  }
  set_up_emulated_machine(emulated_machine_of_environment());
}
#endif

// Enough outputs that a block takes 64 of them; a block of many rows, eight warps.
TEST_P(MatmulCuda, SameBitsWithWideBlocks) {
  OpDevice device = open();
  for (const Precision precision :
       {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
    expect_same_bits(device, precision, 80, 20000, {1, 7, 16, 40});
}

// f32 weights are for comparisons; sums of integers are exact on both.
TEST_P(MatmulCuda, F32AndIntegersHaveTheCpusBits) {
  OpDevice device = open();
  Cpu cpu;
  for (const Precision precision : kStored) {
    if (precision == Precision::kBF16) continue;  // a tensor core's order is its own
    for (const auto& [in, out] : {std::pair{777, 130}, {1100, 30}, {33, 50}}) {
      const auto values = normal(out * in, 2);
      const Packed on_gpu(device.device(), precision, out, in, values);
      const Packed on_cpu(cpu.device(), precision, out, in, values);
      for (const int64_t rows : {1, 8, 9, 16, 17, 64, 70}) {
        auto x = normal(rows * in, 1), bias = normal(out, 3);
        EXPECT_EQ(bits_differ(last_rows(device, on_gpu.matrix(), rows, x, bias),
                              last_rows(cpu, on_cpu.matrix(), rows, x, bias)),
                  "")
            << rows << " x " << in << " x " << out << " " << precision_name(precision);
      }
    }
  }
}

// Inputs that do not fill a group, a block or a row's 16 bytes.
TEST_P(MatmulCuda, SameBitsWithEveryEndOfTheInputs) {
  OpDevice device = open();
  for (const Precision precision : kStored)
    for (int64_t in = 1; in <= 260; in += in < 140 ? 9 : 17)
      expect_same_bits(device, precision, in, 40, {3, 20});
}

// Of integers, outputs by the ten thousand are the head's: below.
TEST_P(MatmulCuda, MatchesTheFormulaAtTheSizesOfYi34B) {
  OpDevice device = open();
  expect_matmul_formula(device, Precision::kBF16, 2, 7168, 7168);
  expect_matmul_formula(device, Precision::kInt8, 1, 7168, 2560);
  expect_matmul_formula(device, Precision::kInt4, 1, 20480, 896);
  expect_matmul_formula(device, Precision::kBF16, 20, 20480, 200);
  expect_matmul_formula(device, Precision::kInt8, 20, 20480, 200);
  expect_matmul_formula(device, Precision::kInt6, 5, 20480, 200);
  expect_matmul_formula(device, Precision::kInt5, 5, 20480, 200);
  expect_matmul_formula(device, Precision::kInt4, 70, 7168, 200);
}

TEST_P(MatmulCuda, MatchesTheFormulaAtTheSizeOfYi34BsHead) {
  OpDevice device = open();
  expect_matmul_formula(device, Precision::kInt8, 1, 7168, 64000);
}

}  // namespace
}  // namespace tessera
