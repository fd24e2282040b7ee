#include "ops/pack_cuda.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>

#include "device/cuda_stream.h"
#include "ops/convert.h"
#include "ops/unpack_cuda.h"
#include "tests/ops/op_device.h"
#include "tests/ops/packed.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using Bytes = std::vector<std::byte>;

using PackCuda = OpTest;
INSTANTIATE_TEST_SUITE_P(, PackCuda, testing::Values(OpTarget{.kind = DeviceKind::kCuda}),
                         target_name);

// Generic bodies, `[&](const auto& queue)`: a build without CUDA never asks for what they call.
template <typename Body>
void launch_on(OpDevice& device, const Body& body) {
  if constexpr (kCudaBuilt) static_cast<CudaStream&>(device.stream()).launch(body);
}

// Numbers as a checkpoint may have them: some groups are zero, tiny, have an outlier, or are
// broken.
std::vector<float> weights(int64_t out, int64_t in) {
  auto values = normal(out * in, 3);
  for (int64_t o = 0; o < out; ++o)
    for (int64_t i = 0; i < in; ++i) {
      float& v = values[static_cast<size_t>(o * in + i)];
      const int64_t group = (o * 131 + i / 64) % 19;
      v *= 0.02F;
      if (group == 3) v = 0;
      if (group == 5) v *= 1e-37F;
      if (group == 7 && i % 64 == 9) v *= 60;
      if (group == 11 && i % 64 == 1) v = o % 2 == 0 ? NAN : -INFINITY;
      if (group == 13) v = i % 2 == 0 ? 0.5F : -0.5F;  // of two equal extremes the positive one
      if (group == 17) v = std::round(v * 50) / 64;    // ties
    }
  return values;
}

Bytes as_dtype(const std::vector<float>& values, DType dtype) {
  Bytes bytes(values.size() * static_cast<size_t>(dtype_bytes(dtype)));
  if (dtype != DType::kF16) {
    convert(values.data(), DType::kF32, bytes.data(), dtype, static_cast<int64_t>(values.size()));
    return bytes;
  }
  std::vector<uint16_t> halves;  // any bits but those of NaN, whose payload is nobody's business
  for (const float v : values) halves.push_back(static_cast<uint16_t>(static_cast<int>(v * 9999)));
  for (uint16_t& half : halves) half &= 0xbfff;
  std::memcpy(bytes.data(), halves.data(), bytes.size());
  return bytes;
}

// What pack_rows gives, whatever the order of the bytes: of f32 and bf16 row by row.
Bytes packed_on_cpu(const PackedMatrix& shape, const Bytes& from, DType dtype, uint64_t bytes) {
  Bytes memory(bytes, std::byte{0xee});
  PackedMatrix matrix = shape;
  matrix.data = memory.data();
  if (shape.format().integer) {
    pack_padding(matrix);
    pack_rows(matrix, 0, shape.out, from.data(), dtype);
    return memory;
  }
  const DType stored = shape.precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
  memory.assign(bytes, std::byte{0});
  for (int64_t o = 0; o < shape.out; ++o)
    convert(from.data() + o * shape.in * dtype_bytes(dtype), dtype,
            memory.data() + o * shape.padded_in() * dtype_bytes(stored), stored, shape.in);
  return memory;
}

// Packed on the GPU in parts that end at `cuts`, every second one first: of two rows in a byte now
// the first comes first, now the second.
Bytes packed_on_gpu(OpDevice& device, const PackedMatrix& shape, Bytes from, DType dtype,
                    uint64_t bytes, std::span<const int64_t> cuts) {
  Bytes memory(bytes, std::byte{0xee});
  PackedMatrix matrix = shape;
  matrix.data = device.memory(memory);
  matrix.device = &device.device();
  const std::byte* source = device.memory(from);
  launch_on(device, [&](const auto& queue) {
    pack_padding_cuda(queue, matrix);
    for (const size_t first : {2, 1})
      for (size_t i = first; i < cuts.size(); i += 2)
        pack_rows_cuda(queue, matrix, cuts[i - 1], cuts[i] - cuts[i - 1],
                       source + cuts[i - 1] * shape.in * dtype_bytes(dtype), dtype);
  });
  device.wait();
  return memory;
}

std::string first_difference(const Bytes& got, const Bytes& want) {
  for (size_t i = 0; i < got.size(); ++i)
    if (got[i] != want[i])
      return "byte " + std::to_string(i) + " of " + std::to_string(got.size()) + ": got " +
             std::to_string(static_cast<int>(got[i])) + ", want " +
             std::to_string(static_cast<int>(want[i]));
  return got.size() == want.size() ? "" : "sizes";
}

TEST_P(PackCuda, WritesTheBytesOfTheCpu) {
  OpDevice device = open();
  for (const Precision precision : kStored)
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16})
      for (const int64_t out : {1, 16, 50})
        for (const int64_t in : {1, 64, 100, 257, 528, 1100}) {
          const PackedMatrix shape = {.precision = precision, .out = out, .in = in};
          const Bytes from = as_dtype(weights(out, in), dtype);
          const uint64_t bytes = shape.bytes();
          const int64_t whole[] = {0, out}, parts[] = {0, 1, 5, 16, 23, 24, 49, 50};
          const Bytes want = packed_on_cpu(shape, from, dtype, bytes);
          const std::string where = std::string(dtype_name(dtype)) + " to " +
                                    std::string(precision_name(precision)) + " [" +
                                    std::to_string(out) + ", " + std::to_string(in) + "]";
          EXPECT_EQ(first_difference(packed_on_gpu(device, shape, from, dtype, bytes, whole), want),
                    "")
              << where;
          if (out != 50) continue;
          EXPECT_EQ(first_difference(packed_on_gpu(device, shape, from, dtype, bytes, parts), want),
                    "")
              << where << ", in parts";
        }
}

// For ThreadSanitizer and other orders of threads, which take long.
TEST_P(PackCuda, EachKernelInAFewSteps) {
  OpDevice device = open();
  for (const Precision precision : kStored) {
    const PackedMatrix shape = {.precision = precision, .out = 18, .in = 257};
    const Bytes from = as_dtype(weights(18, 257), DType::kBF16);
    const int64_t parts[] = {0, 5, 9, 18};
    EXPECT_EQ(
        first_difference(packed_on_gpu(device, shape, from, DType::kBF16, shape.bytes(), parts),
                         packed_on_cpu(shape, from, DType::kBF16, shape.bytes())),
        "")
        << precision_name(precision);
  }
}

// Floats of a packed copy, whose panels stand in the CPUs' order, the first ones last; small enough
// for ThreadSanitizer and other orders of threads.
TEST_P(PackCuda, UnpacksPanelsIntoRows) {
  OpDevice device = open();
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    const PackedMatrix shape = {.precision = precision, .out = 34, .in = 257};
    const Bytes from = as_dtype(weights(34, 257), DType::kBF16);
    Bytes panels(shape.bytes()), rows(panels.size(), std::byte{0xee});
    PackedMatrix on_cpu = shape, on_gpu = shape;
    on_cpu.data = panels.data();
    pack_padding(on_cpu);
    pack_rows(on_cpu, 0, shape.out, from.data(), DType::kBF16);
    on_gpu.data = device.memory(rows);
    on_gpu.device = &device.device();
    const std::byte* source = device.memory(panels);
    launch_on(device, [&](const auto& queue) {
      unpack_panels_cuda(queue, on_gpu, 1, 2, source + shape.panel_bytes());
      unpack_panels_cuda(queue, on_gpu, 0, 1, source);
    });
    device.wait();
    EXPECT_EQ(first_difference(rows, packed_on_cpu(shape, from, DType::kBF16, shape.bytes())), "")
        << precision_name(precision);
  }
}

TEST_P(PackCuda, WritesTheBytesOfTheCpuAtAModelsWidth) {
  OpDevice device = open();
  for (const Precision precision : kStored)
    for (const int64_t in : {7168, 20480}) {
      const PackedMatrix shape = {.precision = precision, .out = 33, .in = in};
      const Bytes from = as_dtype(weights(33, in), DType::kBF16);
      const int64_t whole[] = {0, 33};
      EXPECT_EQ(
          first_difference(packed_on_gpu(device, shape, from, DType::kBF16, shape.bytes(), whole),
                           packed_on_cpu(shape, from, DType::kBF16, shape.bytes())),
          "")
          << precision_name(precision) << ", " << in;
    }
}

TEST_P(PackCuda, RefusesWhatPackRowsRefuses) {
  OpDevice device = open();
  const PackedMatrix matrix = {.precision = Precision::kInt4, .out = 10, .in = 4};
  const auto call = [&](int64_t first, int64_t rows, DType dtype) {
    OpDevice own = open();
    return error_of([&] {
      launch_on(own, [&](const auto& queue) {
        pack_rows_cuda(queue, matrix, first, rows, nullptr, dtype);
      });
      own.wait();
    });
  };
  EXPECT_EQ(call(8, 3, DType::kF32),
            "pack_rows into int4 [10, 4]: rows: expected at most 10, found 3 from 8");
  EXPECT_EQ(call(0, 1, DType::kI8),
            "pack_rows into int4 [10, 4]: source: expected f32, bf16 or f16, found i8");
}

TEST_P(PackCuda, ConvertsToTheBitsOfTheCpu) {
  OpDevice device = open();
  const auto check = [&](DType from_dtype, DType to_dtype, Bytes from) {
    const auto count = static_cast<int64_t>(from.size()) / dtype_bytes(from_dtype);
    Bytes want(static_cast<size_t>(count * dtype_bytes(to_dtype))), got(want.size());
    convert(from.data(), from_dtype, want.data(), to_dtype, count);
    const std::byte* source = device.memory(from);
    std::byte* target = device.memory(got);
    launch_on(device, [&](const auto& queue) {
      convert_cuda(queue, source, from_dtype, target, to_dtype, count);
    });
    device.wait();
    EXPECT_EQ(first_difference(got, want), "")
        << dtype_name(from_dtype) << " to " << dtype_name(to_dtype);
  };
  Bytes halves(2 * 65536), floats(4 * 70001);  // every half; floats of every exponent
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    std::memcpy(halves.data() + size_t{2} * i, &bits, 2);
  }
  for (uint32_t i = 0; i < 70001; ++i) {
    const uint32_t bits = i * 2654435761U;
    std::memcpy(floats.data() + size_t{4} * i, &bits, 4);
  }
  for (const DType to : {DType::kF32, DType::kBF16}) {
    check(DType::kF32, to, floats);
    check(DType::kBF16, to, halves);
    check(DType::kF16, to, halves);
  }
  EXPECT_EQ(error_of([&] {
              launch_on(device, [&](const auto& queue) {
                convert_cuda(queue, nullptr, DType::kF32, nullptr, DType::kF16, 1);
              });
              device.wait();
            }),
            "convert: expected f32, bf16 or f16 to f32 or bf16, found f32 to f16");
}

}  // namespace
}  // namespace tessera
