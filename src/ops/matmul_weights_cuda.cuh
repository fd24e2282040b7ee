#pragma once

#include "ops/matmul_cuda.cuh"

namespace tessera {

/// a + b of two pairs of bf16, each sum rounded once.
__device__ inline uint32_t add_pairs(uint32_t a, uint32_t b) {
  constexpr uint32_t kOnes = 0x3f803f80;  // a * 1 + b: before 9.0 GPUs have no addition of bf16
  const auto pair = [](const uint32_t& bits) {
    return *reinterpret_cast<const __nv_bfloat162*>(&bits);
  };
  const __nv_bfloat162 sum = __hfma2(pair(a), pair(kOnes), pair(b));
  return *reinterpret_cast<const uint32_t*>(&sum);
}

/// 16 rows of weights by 16 inputs of them, as mma_bf16 takes its a.
using WeightTile = uint32_t[4];

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
  static constexpr int kBlockBytes = kWarpOutputs * kBlockInputs * kBits / 8;

  WarpWeights() = default;  ///< nothing
  /// Outputs [32 pair, 32 pair + 32); those that w does not have are read as its last.
  __device__ WarpWeights(const unsigned char* w, const MatmulShape& shape, int pair)
      : padded_in_(shape.padded_in), lane_(static_cast<int>(threadIdx.x % 32)) {
    const int g = lane_ / 4;
    if constexpr (kBits == 16) {
      for (int j = 0; j < 4; ++j) {
        const int row = min(pair * kWarpOutputs + 4 * g + j, shape.out - 1);
        rows_[j] = w + static_cast<int64_t>(row) * shape.panel_bytes;
      }
    } else {
      const auto panel = [&](int p) {
        return w + static_cast<int64_t>(min(2 * pair + p, shape.panels - 1)) * shape.panel_bytes;
      };
      rows_[0] = panel(g / 4);
      rows_[1] = panel(lane_ / 8 % 2);
      scale_bytes_ = shape.scale_bytes;
    }
  }

  /// Starts to copy inputs [first, first + 32 kBlocks), all of one group, into `slab`, 16-byte
  /// aligned. What is behind the last input: of bf16 zeros; codes stay what they were, because x
  /// has zeros there.
  template <int kBlocks>
  __device__ void fetch(int first, unsigned char* slab) const {
    if constexpr (kBits == 16)
      fetch_rows<kBlocks>(first, slab);
    else
      fetch_codes<kBlocks>(first, slab);
  }

  /// The scales of the lane's four outputs for a group; of integers only.
  __device__ uint2 scales(int group) const {
    return __ldg(reinterpret_cast<const uint2*>(rows_[0] + group * 32) + lane_ / 4 % 4);
  }

  /// What a lane has of one block of a slab of `kBlocks`.
  struct Block {
    uint4 words[kBits == 16 ? 4 : kBits == 8 ? 2 : 1];
    uint32_t planes[kBits == 6 ? 2 : 1];
  };
  template <int kBlocks>
  __device__ static void load(const unsigned char* slab, int block, Block& to) {
    constexpr int kWords = sizeof(to.words) / sizeof(uint4);
    const int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
    for (int i = 0; i < kWords; ++i)
      to.words[i] = reinterpret_cast<const uint4*>(slab)[(block * kWords + i) * 32 + lane];
    if constexpr (kBits == 5 || kBits == 6) {
      // Of eight inputs, 16 bytes: bits of inputs 0 to 3 of 16 rows, then of inputs 4 to 7.
      const int panel = lane / 16, quad = lane / 4 % 4;
#pragma unroll
      for (int plane = 0; plane < kBits - 4; ++plane) {
        const auto* bits = reinterpret_cast<const uint16_t*>(
            slab + kBlocks * 512 + ((plane * 2 + panel) * kBlocks * 4 + block * 4 + lane % 4) * 16);
        to.planes[plane] = bits[quad] | static_cast<uint32_t>(bits[4 + quad]) << 16;
      }
    }
  }

  /// The two tiles of a step.
  __device__ static void tiles(const Block& block, int step, WeightTile (&to)[2]) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      uint32_t(&tile)[4] = to[j / 2];
      pairs(block, j, step, tile[j % 2], tile[j % 2 + 2]);
    }
  }

 private:
  template <int kBlocks>
  __device__ void fetch_rows(int first, unsigned char* slab) const {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const int input = first + block * kBlockInputs + lane_ % 4 * 8;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        auto* to = reinterpret_cast<uint4*>(slab) + (block * 4 + j) * 32 + lane_;
        const unsigned char* from = rows_[j] + input * 2;
        if constexpr (kAligned) {
          if (input < padded_in_)
            cp_async_16(to, from);
          else
            *to = uint4{};
        } else {
          const auto word = [&](int i) {  // rows are padded to pairs
            return input + 2 * i < padded_in_ ? __ldg(reinterpret_cast<const uint32_t*>(from) + i)
                                              : 0U;
          };
          *to = make_uint4(word(0), word(1), word(2), word(3));
        }
      }
    }
  }

  template <int kBlocks>
  __device__ void fetch_codes(int first, unsigned char* slab) const {
    constexpr int kGroup = kGroupInputs<kBits>;
    const int group = first / kGroup * kGroup;
    const unsigned char* codes = rows_[0] + scale_bytes_ + group * 2 * kBits;
    const int quad = lane_ / 4 % 4;
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const int input = first + block * kBlockInputs + lane_ % 4 * 8;
      if (input >= padded_in_) continue;
      if constexpr (kBits == 8) {
#pragma unroll
        for (int s = 0; s < 2; ++s)  // four inputs of 16 rows are 64 bytes
          cp_async_16(slab + ((block * 2 + s) * 32 + lane_) * 16,
                      codes + ((input - group) / 4 + s) * 64 + quad * 16);
      } else {  // eight
        cp_async_16(slab + (block * 32 + lane_) * 16, codes + (input - group) / 8 * 64 + quad * 16);
      }
    }
    if constexpr (kBits == 5 || kBits == 6) {
      static_assert(kBlocks * kBlockInputs == kGroup);
      const int plane = lane_ / 16, panel = lane_ / 8 % 2, eight = lane_ % 8;
      const int inputs = min(kGroup, padded_in_ - group);
      if (plane < kBits - 4 && eight * 8 < inputs)
        cp_async_16(slab + kBlocks * 512 + ((plane * 2 + panel) * 8 + eight) * 16,
                    rows_[1] + scale_bytes_ + group * 2 * kBits + inputs * 8 + plane * inputs * 2 +
                        eight * 16);
    }
  }

  static __device__ uint32_t part(const uint4& v, int i) {
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
  }

  // Output 4 g + j: inputs 8 t + 4 step + 0 .. 3 as two pairs, of bf16 (0, 1) and (2, 3), of
  // integers (0, 2) and (1, 3). The codes become bf16 as the last bits of 128 + code, from which
  // 128 and the code that means 0 are taken; all of it is exact.
  static __device__ void pairs(const Block& block, int j, int step, uint32_t& first,
                               uint32_t& second) {
    if constexpr (kBits == 16) {
      first = part(block.words[j], 2 * step);
      second = part(block.words[j], 2 * step + 1);
    } else if constexpr (kBits == 8) {
      const uint32_t word = part(block.words[step], j);
      first = codes_of_8(word);
      second = codes_of_8(word >> 8);
    } else {
      uint32_t word = part(block.words[0], j) >> 4 * step & 0x0f0f0f0f;
      if constexpr (kBits > 4)
#pragma unroll
        for (int plane = 0; plane < kBits - 4; ++plane) {
          const uint32_t bits = block.planes[plane] >> (16 * step + 4 * j) & 15;
          word |= (bits * 0x00204081 & 0x01010101) << (4 + plane);  // a bit to a byte
        }
      first = add_pairs((word & 0x00ff00ff) | 0x43004300, kOffset);
      second = add_pairs((word >> 8 & 0x00ff00ff) | 0x43004300, kOffset);
    }
  }

  // -(128 + 2^(bits - 1)) twice: of 4, 5 and 6 bits.
  static constexpr uint32_t kOffset = kBits == 4   ? 0xc308c308
                                      : kBits == 5 ? 0xc310c310
                                                   : 0xc320c320;

  // A code's upper bit has no room below 128: with it set, 128 are taken away, else 256.
  static __device__ uint32_t codes_of_8(uint32_t word) {
    return add_pairs((word & 0x007f007f) | 0x43004300, (word & 0x00800080) ^ 0xc380c380);
  }

  const unsigned char* rows_[4];  // bf16: of the four outputs; else panels: for codes, for bits
  int padded_in_, lane_, scale_bytes_;
};

/// sums += of step `step` of a block: the two tiles of weights times 8 kTiles rows of x, of which
/// the lane has 8 inputs each.
template <typename Weights, int kTiles>
__device__ void multiply_block(const typename Weights::Block& block, const uint4 (&x)[kTiles],
                               float (&sums)[2][kTiles][4]) {
#pragma unroll
  for (int step = 0; step < 2; ++step) {
    WeightTile tiles[2];
    Weights::tiles(block, step, tiles);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const uint32_t column[2] = {step == 0 ? x[n].x : x[n].z, step == 0 ? x[n].y : x[n].w};
#pragma unroll
      for (int m = 0; m < 2; ++m) mma_bf16(sums[m][n], tiles[m], column);
    }
  }
}

}  // namespace tessera
