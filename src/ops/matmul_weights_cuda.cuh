#pragma once

#include <type_traits>

#include "ops/matmul_cuda.cuh"

namespace tessera {

// A group's sum of integers is counted from 3 * 2^22, whose bits as an f32 are this: then they are
// those of the f32 3 * 2^22 + sum, and what takes it apart is one subtraction. Sums are below 2^22.
constexpr int kIntegerStart = 0x4b400000;

/// A group's sum of either kind as the number that it is.
__device__ inline float group_number(float sum) {
  return sum;
}
__device__ inline float group_number(int sum) {
  return __fsub_rn(__int_as_float(sum), __int_as_float(kIntegerStart));
}

/// A warp's sums of a group: of two tiles of weights and 8 kTiles rows of x.
template <typename Sum, int kTiles>
__device__ void start_group(Sum (&sums)[2][kTiles][4]) {
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][n][i] = std::is_same_v<Sum, int> ? kIntegerStart : 0;
}

/// Those of the lane's outputs 4 g .. 4 g + 3, row 8 n + 2 t + e.
template <typename Sum, int kTiles>
__device__ float4 four_outputs(const Sum (&sums)[2][kTiles][4], int n, int e) {
  return make_float4(group_number(sums[0][n][e]), group_number(sums[0][n][2 + e]),
                     group_number(sums[1][n][e]), group_number(sums[1][n][2 + e]));
}

/// A warp's way to its 32 outputs of w. Lane l, with g = l / 4 and t = l % 4, has outputs 4 g ..
/// 4 g + 3 and of a block of 32 inputs those from 8 t to 8 t + 7: in every layout 16 bytes hold a
/// whole number of such rows, or of their halves. What it has becomes, step by step, row g (output
/// 4 g + 2 m) and row g + 8 (output 4 g + 2 m + 1) of two tiles m = 0, 1; so the tensor cores see
/// the inputs in another order than memory has them, and x comes in the same. What a lane reads it
/// has itself copied to shared memory (but for bits 4 and 5 of the codes), with nothing to wait for
/// but the copy.
///
///   kBits     16: bf16 row by row; 8, 6, 5, 4: panels (packed_matrix.h)
///   kAligned  of bf16: whether rows start at multiples of 16 bytes
template <int kBits, bool kAligned = true>
class WarpWeights {
 public:
  static constexpr bool kInteger = kBits < 16;
  static constexpr int kInputBytes = kInteger ? 1 : 2;        // of prepared x
  using Sum = std::conditional_t<kInteger, int, float>;       // of a group
  using XBlock = std::conditional_t<kInteger, uint2, uint4>;  // a lane's 8 inputs of a row
  static constexpr int kSteps = kInteger ? 1 : 2;             // of a block, by tensor cores

  static constexpr int kWords = kBits == 16 ? 4 : kBits == 8 ? 2 : 1;  // of 16 bytes, a lane's

  WarpWeights() = default;  ///< nothing
  /// Outputs [32 pair, 32 pair + 32); those that w does not have are read as its last.
  __device__ WarpWeights(const unsigned char* w, const MatmulShape& shape, int pair)
      : padded_in_(shape.padded_in) {
    const int g = lane() / 4, t = lane() % 4;
    if constexpr (kBits == 16) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int row = min(pair * kWarpOutputs + 4 * g + j, shape.out - 1);
        from_[j] = w + static_cast<int64_t>(row) * shape.panel_bytes + t * 16;
      }
    } else {
      const auto codes = [&](int p) {
        const int panel = min(2 * pair + p, shape.panels - 1);
        return w + static_cast<int64_t>(panel) * shape.panel_bytes + shape.scale_bytes;
      };
      // Four inputs of 16 rows are 64 bytes, of fewer bits eight.
      from_[0] = codes(g / 4) + t * (kBits == 8 ? 128 : 64) + g % 4 * 16;
      from_[1] = codes(lane() / 8 % 2);
    }
  }

  /// Starts to copy inputs [first, first + 32 kBlocks), all of one group, into `slab`, 16-byte
  /// aligned. What is behind the last input: of bf16 zeros; codes stay what they were, because x
  /// has zeros there.
  template <int kBlocks>
  __device__ void fetch(int first, unsigned char* slab) const {
    const bool whole = first + kBlocks * kBlockInputs <= padded_in_;
    slab += lane() * 16;
    if constexpr (kBits == 16)
      whole&& kAligned ? fetch_rows<kBlocks>(first, slab) : fetch_last_rows<kBlocks>(first, slab);
    else
      whole ? fetch_codes<kBlocks, true>(first, slab) : fetch_codes<kBlocks, false>(first, slab);
  }

  /// What a lane has of one block of a slab of `kBlocks`.
  struct Block {
    uint4 words[kWords];
    uint32_t planes[kBits == 6 ? 2 : 1];
  };
  template <int kBlocks>
  __device__ static void load(const unsigned char* slab, int block, Block& to) {
#pragma unroll
    for (int i = 0; i < kWords; ++i)
      to.words[i] = reinterpret_cast<const uint4*>(slab)[(block * kWords + i) * 32 + lane()];
    if constexpr (kBits == 5 || kBits == 6) {
      // Of eight inputs, 16 bytes: bits of inputs 0 to 3 of 16 rows, then of inputs 4 to 7.
      const int panel = lane() / 16, quad = lane() / 4 % 4;
#pragma unroll
      for (int plane = 0; plane < kBits - 4; ++plane) {
        const auto* bits = reinterpret_cast<const uint16_t*>(
            slab + kBlocks * 512 +
            ((plane * 2 + panel) * kBlocks * 4 + block * 4 + lane() % 4) * 16);
        to.planes[plane] = bits[quad] | static_cast<uint32_t>(bits[4 + quad]) << 16;
      }
    }
  }

  /// The two tiles of a step, as mma_bf16 or mma_int8 takes its a.
  __device__ static void tiles(const Block& block, int step, uint32_t (&to)[2][4]) {
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        to[j / 2][j % 2 + 2 * half] =
            kInteger ? codes(block, j, half) : part(block.words[j % kWords], 2 * step + half);
  }

  /// Output `lane`'s scale of a group, from its bf16, for what tiles() makes of codes.
  static __device__ float scale(uint32_t bits) {
    return __fmul_rn(__uint_as_float(bits << 16), 1.0F / (1 << kUp));
  }

 private:
  static __device__ int lane() {
    return static_cast<int>(threadIdx.x % 32);
  }

  template <int kBlocks>
  __device__ void fetch_rows(int first, unsigned char* to) const {
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int block = 0; block < kBlocks; ++block)
        cp_async_16(to + (block * 4 + j) * 512, from_[j] + first * 2 + block * 64);
  }

  // The end of a row, or rows at any address; they are padded to pairs.
  template <int kBlocks>
  __device__ void fetch_last_rows(int first, unsigned char* to) const {
    const int left = padded_in_ - first - lane() % 4 * 8;  // inputs
    for (int block = 0; block < kBlocks; ++block)
      for (int j = 0; j < 4; ++j) {
        const auto* from = reinterpret_cast<const uint32_t*>(from_[j] + first * 2 + block * 64);
        const auto pair = [&](int i) { return 32 * block + 2 * i < left ? __ldg(from + i) : 0U; };
        *reinterpret_cast<uint4*>(to + (block * 4 + j) * 512) = {pair(0), pair(1), pair(2),
                                                                 pair(3)};
      }
  }

  template <int kBlocks, bool kWhole>
  __device__ void fetch_codes(int first, unsigned char* to) const {
    constexpr int kGroup = kGroupInputs<kBits>;
    const int left = padded_in_ - first;
    const unsigned char* from = from_[0] + static_cast<int64_t>(first) * 2 * kBits;
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      if (!kWhole && 32 * block + lane() % 4 * 8 >= left) break;
      if constexpr (kBits == 8) {
        cp_async_16(to + block * 1024, from + block * 512);
        cp_async_16(to + block * 1024 + 512, from + block * 512 + 64);
      } else {
        cp_async_16(to + block * 512, from + block * 256);
      }
    }
    if constexpr (kBits == 5 || kBits == 6) {  // a lane copies 8 inputs of a panel and plane
      static_assert(kBlocks * kBlockInputs == kGroup);
      const int plane = lane() / 16, eight = lane() % 8, inputs = kWhole ? kGroup : left;
      const unsigned char* planes = from_[1] + static_cast<int64_t>(first) * 2 * kBits + inputs * 8;
      if (plane < kBits - 4 && (kWhole || eight * 8 < left))
        cp_async_16(to + kBlocks * 512, planes + plane * inputs * 2 + eight * 16);
    }
  }

  static __device__ uint32_t part(const uint4& v, int i) {
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
  }

  // Codes 8 t + 4 half + 0 .. 3 of output 4 g + j, a signed byte each: what they mean, times 2^kUp,
  // so that the sign takes its own bit.
  static constexpr int kUp = kInteger ? 8 - kBits : 0;
  static __device__ uint32_t codes(const Block& block, int j, int half) {
    constexpr uint32_t kSigns = 0x80808080;
    if constexpr (kBits >= 8) {
      return part(block.words[half], j) ^ kSigns;
    } else {
      const uint32_t word = part(block.words[0], j);
      uint32_t codes = (half == 0 ? word << kUp : word >> (4 - kUp)) & 0x0f0f0f0fU << kUp;
#pragma unroll
      for (int plane = 0; plane < kBits - 4; ++plane) {
        const uint32_t bits = block.planes[plane] >> (16 * half + 4 * j) & 15;
        codes |= (bits * 0x00204081 & 0x01010101) << (kUp + 4 + plane);  // a bit to a byte
      }
      return codes ^ kSigns;
    }
  }

  // Where the lane's own begin: bf16: of the four outputs; else codes, and the bits it copies.
  const unsigned char* from_[kBits == 16 ? 4 : 2];
  int padded_in_;
};

/// sums += of a block the two tiles of weights times 8 kTiles rows of x, of which the lane has 8
/// inputs each.
template <typename Weights, int kTiles>
__device__ void multiply_block(const typename Weights::Block& block,
                               const typename Weights::XBlock (&x)[kTiles],
                               typename Weights::Sum (&sums)[2][kTiles][4]) {
#pragma unroll
  for (int step = 0; step < Weights::kSteps; ++step) {
    uint32_t tiles[2][4];
    Weights::tiles(block, step, tiles);
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        if constexpr (Weights::kInteger) {
          mma_int8(sums[m][n], tiles[m], {x[n].x, x[n].y});
        } else {
          const uint32_t column[2] = {step == 0 ? x[n].x : x[n].z, step == 0 ? x[n].y : x[n].w};
          mma_bf16(sums[m][n], tiles[m], column);
        }
      }
  }
}

}  // namespace tessera
