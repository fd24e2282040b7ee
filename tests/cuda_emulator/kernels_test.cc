#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/example_kernels.h"
#include "tests/cuda_emulator/machine_fixture.h"
#include "tests/support/differs.h"

namespace tessera {
namespace {

std::vector<float> normal_floats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<__nv_bfloat16> normal_bf16(size_t count, uint32_t seed) {
  std::vector<__nv_bfloat16> values;
  for (const float value : normal_floats(count, seed)) values.push_back(__float2bfloat16(value));
  return values;
}

class Kernels : public EmulatedMachineTest {
 protected:
  void SetUp() override { set_up_emulated_machine(emulated_machine_of_environment()); }
};

TEST_F(Kernels, AddVectors) {
  const int count = 1000;
  const auto a = normal_floats(count, 1), b = normal_floats(count, 2);
  TestStream stream;
  DeviceVector<float> on_a(a, stream), on_b(b, stream), on_c(count);
  add_vectors(on_a.data(), on_b.data(), on_c.data(), count, stream);
  const auto c = on_c.read(stream);
  for (int i = 0; i < count; ++i) ASSERT_EQ(c[i], a[i] + b[i]) << i;
}

// The largest |got - want|, infinite where got is NaN.
double largest_error(const std::vector<float>& got, const std::vector<double>& want) {
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(got[i] - want[i]);
    largest = error <= largest ? largest : std::isnan(error) ? INFINITY : error;
  }
  return largest;
}

std::vector<double> product_f64(const std::vector<__nv_bfloat16>& a,
                                const std::vector<__nv_bfloat16>& b, int m, int n, int k) {
  std::vector<float> a_f32, b_f32;
  for (const auto value : a) a_f32.push_back(__bfloat162float(value));
  for (const auto value : b) b_f32.push_back(__bfloat162float(value));
  std::vector<double> c(size_t(m) * n);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l)
        sum += double(a_f32[size_t(i) * k + l]) * b_f32[size_t(j) * k + l];
      c[size_t(i) * n + j] = sum;
    }
  return c;
}

TEST_F(Kernels, SumVector) {
  const int count = 1 << 16;
  const auto x = normal_floats(count, 3);
  double want = 0;
  for (const float value : x) want += value;
  TestStream stream;
  DeviceVector<float> on_x(x, stream), out(1);
  ASSERT_EQ(cudaMemsetAsync(out.data(), 0, 4, stream), cudaSuccess);
  sum_vector(on_x.data(), out.data(), count, stream);
  EXPECT_LT(largest_error(out.read(stream), {want}), 1e-3);
}

#ifdef TESSERA_UNDER_TSAN
constexpr int kRealWidth = 512;  // more of the same takes it half a minute
#else
constexpr int kRealWidth = 4096;
#endif

TEST_F(Kernels, MultiplyVectorAtRealWidth) {
  const int rows = kRealWidth, columns = kRealWidth;
  const auto w = normal_bf16(size_t(rows) * columns, 4), x = normal_bf16(columns, 5);
  TestStream stream;
  DeviceVector<__nv_bfloat16> on_w(w, stream), on_x(x, stream);
  DeviceVector<float> y(rows);
  multiply_vector(on_w.data(), on_x.data(), y.data(), rows, columns, stream);
  EXPECT_LT(largest_error(y.read(stream), product_f64(w, x, rows, 1, columns)), 2e-4);
}

TEST_F(Kernels, MultiplyMatrices) {
  for (const int size : {64, 256}) {
    const auto a = normal_bf16(size_t(size) * size, 6), b = normal_bf16(size_t(size) * size, 7);
    TestStream stream;
    DeviceVector<__nv_bfloat16> on_a(a, stream), on_b(b, stream);
    DeviceVector<float> c(size_t(size) * size);
    multiply_matrices(on_a.data(), on_b.data(), c.data(), size, size, size, stream);
    EXPECT_LT(largest_error(c.read(stream), product_f64(a, b, size, size, size)), 1e-4);
  }
}

TEST_F(Kernels, MultiplyInt8) {
  std::vector<int8_t> a(1024), b(1024);
  int want = 0;
  for (int i = 0; i < 1024; ++i) {
    a[i] = static_cast<int8_t>(i * 7);
    b[i] = static_cast<int8_t>(i * 13 + 5);
    want += a[i] * b[i];
  }
  TestStream stream;
  DeviceVector<int8_t> on_a(a, stream), on_b(b, stream);
  DeviceVector<int> out(1);
  multiply_int8(on_a.data(), on_b.data(), out.data(), 1024, stream);
  EXPECT_EQ(out.read(stream)[0], want);
}

}  // namespace
}  // namespace tessera
