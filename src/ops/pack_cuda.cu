#include "ops/pack_cuda.h"

#include <cstddef>

#include "cuda/kernel.cuh"
#include "ops/enqueue.cuh"
#include "ops/hadamard_block.h"
#include "ops/numbers.cuh"
#include "ops/quantise.h"
#include "ops/reduce.cuh"
#include "ops/scale_search.h"

namespace tessera {
namespace {

constexpr int kPackThreads = 128;
constexpr int kTileInputs = 512;  // inputs of a panel that a block quantises

// f32 and bf16: rows as they are, zeros behind a row's last input.
__global__ void __launch_bounds__(kPackThreads)
    pack_row_kernel(const void* from, DType from_dtype, int64_t in, void* to, DType to_dtype,
                    int64_t first_row, int64_t padded_in) {
  const int64_t i = static_cast<int64_t>(blockIdx.y) * kPackThreads + threadIdx.x;
  if (i >= padded_in) return;
  const int64_t row = blockIdx.x, at = (first_row + row) * padded_in + i;
  if (i < in)
    convert_number(from, from_dtype, row * in + i, to, to_dtype, at);
  else if (to_dtype == DType::kF32)
    static_cast<float*>(to)[at] = 0;
  else
    static_cast<uint16_t*>(to)[at] = 0;
}

// Where a kernel puts codes and scales: PackedMatrix.
struct CodePlace {
  std::byte* data;
  int64_t in, padded_in, groups;
  int64_t panel_bytes, scale_bytes;
};

// Steps of quantise_loops.h for one row's group, each operation rounded on its own as there: a
// contraction would pick other codes.

__device__ float code_near(float value, float inverse, float low, float high) {
  constexpr float kRounder = 12582912.0F;
  const float code = __fsub_rn(__fadd_rn(__fmul_rn(value, inverse), kRounder), kRounder);
  return code < low ? low : code > high ? high : code;
}

__device__ float rounded_up_scale(float exact) {
  const uint32_t bits = (__float_as_uint(exact) + 0xffff) & 0xffff0000;
  return __uint_as_float(bits < 0x00800000 ? 0x00800000 : bits);
}

// In blocks, each replaced by its transform over its length.
__device__ void rotate_values(float* values, int64_t inputs) {
  while (inputs > 0) {
    const int64_t block = hadamard_block(inputs);
    for (int64_t step = 1; step < block; step *= 2)
      for (int64_t from = 0; from < block; from += 2 * step)
        for (int64_t i = from; i < from + step; ++i) {
          const float a = values[i], b = values[i + step];
          values[i] = a + b;
          values[i + step] = a - b;
        }
    const float share = 1.0F / static_cast<float>(block);
    for (int64_t i = 0; i < block; ++i) values[i] *= share;
    values += block;
    inputs -= block;
  }
}

struct GroupScale {
  float inverse;  // 0: every code is that of 0
  uint16_t bits;  // bf16
};

template <int kBits>
__device__ GroupScale find_scale(const float* values) {
  constexpr int kGroup = quantise_group(kBits);
  constexpr float kZero = 1 << (kBits - 1), kLow = kBits == 8 ? 1 - kZero : -kZero,
                  kHigh = kZero - 1;
  uint32_t largest = 0;
  float highest = 0;
  for (int i = 0; i < kGroup; ++i) {
    const uint32_t size = __float_as_uint(values[i]) & 0x7fffffff;
    largest = size > largest ? size : largest;
    highest = values[i] > highest ? values[i] : highest;
  }
  if (largest == 0) return {.inverse = 0, .bits = 0};
  if (largest >= 0x7f800000) return {.inverse = 0, .bits = 0x7fc0};

  const float extreme = __uint_as_float(largest);
  float scale = rounded_up_scale(__fdiv_rn(extreme, -kLow));
  if constexpr (kBits != 8) {
    float least = 0;
#pragma unroll
    for (int i = 0; i < tries(kBits); ++i) {
      const float size = rounded_up_scale(__fmul_rn(extreme, scale_share(i) / -kLow));
      const float candidate = highest == extreme ? -size : size;
      const float inverse = __fdiv_rn(1.0F, candidate);
      float error = 0;
      for (int k = 0; k < kGroup; ++k) {
        const float code = code_near(values[k], inverse, kLow, kHigh);
        const float off = __fsub_rn(values[k], __fmul_rn(code, candidate));
        error = __fadd_rn(error, __fmul_rn(off, off));
      }
      if (i > 0 && !(error < least)) continue;
      least = error;
      scale = candidate;
    }
  }
  return {.inverse = __fdiv_rn(1.0F, scale),
          .bits = static_cast<uint16_t>(__float_as_uint(scale) >> 16)};
}

// Codes 4 j .. 4 j + 3, a byte each.
template <int kBits>
__device__ uint32_t four_codes(const float* values, int j, float inverse) {
  constexpr float kZero = 1 << (kBits - 1), kLow = kBits == 8 ? 1 - kZero : -kZero,
                  kHigh = kZero - 1;
  uint32_t word = 0;
  for (int b = 3; b >= 0; --b) {
    const float code = inverse == 0 ? 0 : code_near(values[4 * j + b], inverse, kLow, kHigh);
    word = word << 8 | static_cast<uint32_t>(static_cast<int>(code + kZero));
  }
  return word;
}

// Bit `bit` of four codes, side by side.
__device__ uint32_t bit_plane(uint32_t word, int bit) {
  return ((word >> bit & 0x01010101) * 0x01020408) >> 24;
}

// The half of a byte that belongs to a row, and the one beside if that is written too; else the one
// beside stays as it is. All lanes of the warp call it; neighbouring lanes have neighbouring rows.
__device__ void store_half(uint8_t* byte, uint32_t half, int row, bool mine, bool beside) {
  const uint32_t other = __shfl_xor_sync(kWholeWarp, half, 1);
  if (!mine || (beside && row % 2 != 0)) return;
  const uint32_t low = row % 2 == 0 ? half : beside ? other : *byte & 15U;
  const uint32_t high = row % 2 != 0 ? half : beside ? other : *byte >> 4;
  *byte = static_cast<uint8_t>(low | high << 4);
}

// A block quantises kTileInputs inputs of a panel, a thread one row's group of them.
template <int kBits>
__global__ void __launch_bounds__(kPackThreads)
    pack_codes_kernel(const void* from, DType from_dtype, int64_t first_row, int64_t rows,
                      CodePlace to) {
  constexpr int kGroup = quantise_group(kBits), kGroups = kTileInputs / kGroup;
  constexpr int kPanel = kPanelRows;
  struct Tile {
    float values[kGroups * kPanel][kGroup + 1];  // one more: 32 rows are in 32 banks
  };
  auto& tile = block_shared<Tile>();
  const int64_t panel = first_row / kPanel + blockIdx.y;
  const int64_t first_input = static_cast<int64_t>(blockIdx.x) * kTileInputs;
  for (int i = threadIdx.x; i < kPanel * kTileInputs; i += kPackThreads) {
    const int r = i / kTileInputs, c = i % kTileInputs;
    const int64_t row = panel * kPanel + r - first_row, input = first_input + c;
    const bool there = row >= 0 && row < rows && input < to.in;
    tile.values[c / kGroup * kPanel + r][c % kGroup] =
        there ? load_number(from, from_dtype, row * to.in + input) : 0;
  }
  __syncthreads();
  if (threadIdx.x >= kGroups * kPanel) return;  // whole warps

  float* values = tile.values[threadIdx.x];
  const int r = static_cast<int>(threadIdx.x % kPanel);
  const int64_t group = first_input / kGroup + threadIdx.x / kPanel, first = group * kGroup;
  const int64_t row = panel * kPanel + r - first_row;
  const bool mine = row >= 0 && row < rows && group < to.groups;
  const bool beside = __shfl_xor_sync(kWholeWarp, mine ? 1 : 0, 1) != 0;
  const int64_t left = to.padded_in - first, inputs = left < kGroup ? left : kGroup;

  if constexpr (kBits == 8) rotate_values(values, inputs);
  const GroupScale scale = find_scale<kBits>(values);
  std::byte* start = to.data + panel * to.panel_bytes;
  if (mine) reinterpret_cast<uint16_t*>(start)[group * kPanel + r] = scale.bits;

  std::byte* codes = start + to.scale_bytes + first * kPanel * kBits / 8;
  auto* words = reinterpret_cast<uint32_t*>(codes) + r;
  [[maybe_unused]] uint32_t below = 0;
  for (int j = 0; j < kGroup / 4; ++j) {
    const bool there = mine && 4 * j < inputs;
    const uint32_t word = four_codes<kBits>(values, j, scale.inverse);
    if constexpr (kBits == 8) {
      if (there) words[j * kPanel] = word;
    } else {
      if (j % 2 == 0)
        below = word & 0x0f0f0f0f;
      else if (there)
        words[j / 2 * kPanel] = below | (word & 0x0f0f0f0f) << 4;
      auto* plane = reinterpret_cast<uint8_t*>(codes) + inputs * kPanel / 2 + 8 * j + r / 2;
      for (int bit = 4; bit < kBits; ++bit, plane += inputs * kPanel / 8)
        store_half(plane, bit_plane(word, bit), r, there, beside);
    }
  }
}

DType number_type(const PackedMatrix& to) {
  return to.precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
}

unsigned count_of(int64_t all, int64_t each) {
  return static_cast<unsigned>((all + each - 1) / each);
}

}  // namespace

void pack_rows_cuda(const CudaQueue& queue, const PackedMatrix& to, int64_t first_row, int64_t rows,
                    const void* from, DType from_dtype) {
  check_pack_rows(to, first_row, rows, from_dtype);
  if (rows == 0) return;
  const int bits = to.format().bits;
  if (!to.format().integer) {
    const dim3 grid(static_cast<unsigned>(rows), count_of(to.padded_in(), kPackThreads));
    enqueue(queue, "pack_rows", pack_row_kernel, grid, kPackThreads, from, from_dtype, to.in,
            to.data, number_type(to), first_row, to.padded_in());
    return;
  }
  const auto kernel = bits == 8   ? pack_codes_kernel<8>
                      : bits == 6 ? pack_codes_kernel<6>
                      : bits == 5 ? pack_codes_kernel<5>
                                  : pack_codes_kernel<4>;
  const CodePlace place = {.data = static_cast<std::byte*>(to.data),
                           .in = to.in,
                           .padded_in = to.padded_in(),
                           .groups = to.groups(),
                           .panel_bytes = to.panel_bytes(),
                           .scale_bytes = to.scale_bytes()};
  const int64_t panels = (first_row + rows - 1) / kPanelRows - first_row / kPanelRows + 1;
  const dim3 grid(count_of(to.padded_in(), kTileInputs), static_cast<unsigned>(panels));
  enqueue(queue, "pack_rows", kernel, grid, kPackThreads, from, from_dtype, first_row, rows, place);
}

void pack_padding_cuda(const CudaQueue& queue, const PackedMatrix& to) {
  if (to.out % kPanelRows == 0) return;
  const int64_t end = static_cast<int64_t>(to.bytes());
  const int64_t first = to.format().integer
                            ? end - to.panel_bytes()
                            : to.out * to.padded_in() * dtype_bytes(number_type(to));
  cuda_check(cudaMemsetAsync(static_cast<std::byte*>(to.data) + first, 0,
                             static_cast<size_t>(end - first), queue.stream),
             "pack_padding", "zero");
}

}  // namespace tessera
