#include "cuda/check.h"
#include "ops/matmul_weights_cuda.cuh"

namespace tessera {
namespace {

constexpr int kWarps = 8;
constexpr int kPartialStride = kWarpOutputs + 4;  // of a row of x: keeps vector stores apart

/// How a warp streams its weights: slabs of some blocks, several on their way at once. Where a
/// block has two pairs, partial sums are kept once, else twice: within what the smallest GPUs have.
template <int kBits, int kPairs>
struct FewRowsRing {
  static constexpr int kBlocks = kBits >= 8 ? 1 : 2;
  static constexpr int kSlabInputs = kBlocks * kBlockInputs;
  static constexpr int kPairBytes = kSlabInputs * kWarpOutputs * kBits / 8;
  static constexpr int kSlabBytes = kPairs * kPairBytes;
  static constexpr int kSlabs = kSlabBytes > 2048 ? 2 : kSlabBytes == 2048 ? 3 : 4;
  static constexpr int kBytes = kSlabs * kSlabBytes;
  static constexpr int kPartials = kPairs == 1 ? 2 : 1;
};

/// A block computes 32 kPairs outputs of all rows, at most 8 kTiles. Its warps take the groups in
/// turn, eight of them a round; each leaves its group's sums in shared memory, and then every
/// thread adds those of its own elements, in the order of the groups. Kept twice, they need one
/// barrier a round, else two.
template <int kBits, bool kAligned, int kTiles, int kPairs>
__global__ void __launch_bounds__(kWarps * 32)
    few_rows_kernel(const uint16_t* x, const unsigned char* w, const float* bias, float* out,
                    MatmulShape shape) {
  using Weights = WarpWeights<kBits, kAligned>;
  using Ring = FewRowsRing<kBits, kPairs>;
  constexpr int kGroup = kGroupInputs<kBits>, kSlabsPerGroup = kGroup / Ring::kSlabInputs;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = lane / 4, t = lane % 4, first_pair = static_cast<int>(blockIdx.x) * kPairs;
  auto* memory = dynamic_shared<unsigned char>();
  unsigned char* ring = memory + warp * Ring::kBytes;
  // [kPartials][8 warps][kPairs][rows][kPartialStride]
  auto* partials = reinterpret_cast<float*>(memory + kWarps * Ring::kBytes);
  const int pair_size = shape.rows * kPartialStride;

  Weights weights[kPairs];
#pragma unroll
  for (int p = 0; p < kPairs; ++p) weights[p] = Weights(w, shape, first_pair + p);
  const int rounds = (shape.groups + kWarps - 1) / kWarps;
  // Of the warp's slab `slab`, counted from its first to its last; may be behind the last input.
  const auto first_input = [&](int slab) {
    const int group = slab / kSlabsPerGroup * kWarps + warp;
    return group * kGroup + slab % kSlabsPerGroup * Ring::kSlabInputs;
  };
  const auto place = [&](int slab) { return ring + slab % Ring::kSlabs * Ring::kSlabBytes; };
  const auto fetch = [&](int slab) {
    const int first = first_input(slab);
    if (first < shape.padded_in)
#pragma unroll
      for (int p = 0; p < kPairs; ++p)
        weights[p].template fetch<Ring::kBlocks>(first, place(slab) + p * Ring::kPairBytes);
    cp_async_commit();
  };
  for (int slab = 0; slab < Ring::kSlabs - 1; ++slab) fetch(slab);

  float sums[kPairs][kTiles] = {};  // of output lane of a pair, rows warp and warp + 8
  for (int round = 0; round < rounds; ++round) {
    const int groups = min(kWarps, shape.groups - round * kWarps);
    uint16_t scales[kPairs][kWarps];  // early: they are needed after the barrier
    if constexpr (kBits != 16)
#pragma unroll
      for (int p = 0; p < kPairs; ++p) {
        const int panel = min((first_pair + p) * 2 + lane / 16, shape.panels - 1);
        const auto* from =
            reinterpret_cast<const uint16_t*>(w + static_cast<int64_t>(panel) * shape.panel_bytes) +
            round * kWarps * 16 + lane % 16;
#pragma unroll
        for (int q = 0; q < kWarps; ++q)
          scales[p][q] = warp < shape.rows && q < groups ? __ldg(from + q * 16) : uint16_t{0};
      }

    float group[kPairs][2][kTiles][4] = {};
#pragma unroll
    for (int part = 0; part < kSlabsPerGroup; ++part) {
      const int slab = round * kSlabsPerGroup + part, first = first_input(slab);
      uint4 columns[Ring::kBlocks][kTiles];
#pragma unroll
      for (int b = 0; b < Ring::kBlocks; ++b)
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
          const int row = 8 * n + g, input = first + b * kBlockInputs + 8 * t;
          columns[b][n] = uint4{};
          if (row < shape.rows && input < shape.x_stride)
            columns[b][n] = __ldg(reinterpret_cast<const uint4*>(
                x + static_cast<int64_t>(row) * shape.x_stride + input));
        }
      cp_async_wait<Ring::kSlabs - 2>();
      __syncwarp();
      fetch(slab + Ring::kSlabs - 1);  // takes the place of the slab before
#pragma unroll
      for (int b = 0; b < Ring::kBlocks; ++b) {
        if (first + b * kBlockInputs >= shape.padded_in) break;
#pragma unroll
        for (int p = 0; p < kPairs; ++p) {
          typename Weights::Block block;
          Weights::template load<Ring::kBlocks>(place(slab) + p * Ring::kPairBytes, b, block);
          multiply_block<Weights>(block, columns[b], group[p]);
        }
      }
    }

    float* buffer = partials + round % Ring::kPartials * kWarps * kPairs * pair_size;
#pragma unroll
    for (int p = 0; p < kPairs; ++p)
#pragma unroll
      for (int n = 0; n < kTiles; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int row = 8 * n + 2 * t + e;
          if (row < shape.rows)
            *reinterpret_cast<float4*>(buffer + (warp * kPairs + p) * pair_size +
                                       row * kPartialStride + 4 * g) =
                make_float4(group[p][0][n][e], group[p][0][n][2 + e], group[p][1][n][e],
                            group[p][1][n][2 + e]);
        }
    __syncthreads();
#pragma unroll
    for (int p = 0; p < kPairs; ++p)
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        const int row = 8 * n + warp;
        if (row >= shape.rows) continue;
#pragma unroll
        for (int q = 0; q < kWarps; ++q) {
          if (q >= groups) break;
          const float scale = kBits == 16 ? 1.0F : __uint_as_float(uint32_t{scales[p][q]} << 16);
          sums[p][n] = fmaf(buffer[(q * kPairs + p) * pair_size + row * kPartialStride + lane],
                            scale, sums[p][n]);
        }
      }
    if constexpr (Ring::kPartials == 1) __syncthreads();
  }

#pragma unroll
  for (int p = 0; p < kPairs; ++p)
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const int row = 8 * n + warp, output = (first_pair + p) * kWarpOutputs + lane;
      if (row >= shape.rows || output >= shape.out) continue;
      float* to = out + row * shape.out_stride + output;
      float sum = sums[p][n];
      if (bias != nullptr) sum += bias[output];
      if (shape.add_to_out) sum += *to;
      *to = sum;
    }
}

template <int kBits, bool kAligned, int kTiles, int kPairs>
void launch_few_rows(const CudaQueue& queue, const MatmulPointers& p, const MatmulShape& shape) {
  const auto kernel = few_rows_kernel<kBits, kAligned, kTiles, kPairs>;
  using Ring = FewRowsRing<kBits, kPairs>;
  const size_t partials = static_cast<size_t>(shape.rows) * kPartialStride * sizeof(float);
  const size_t bytes = kWarps * (Ring::kBytes + Ring::kPartials * kPairs * partials);
  cuda_check(allow_dynamic_shared(kernel, bytes), "matmul", "launch");
  const int outputs = kWarpOutputs * kPairs;
  cuda_check(launch_kernel(kernel, dim3((shape.out + outputs - 1) / outputs), dim3(kWarps * 32),
                           bytes, queue.stream, p.x, p.w, p.bias, p.out, shape),
             "matmul", "launch");
}

template <int kBits, bool kAligned = true>
void choose_few_rows(const CudaQueue& queue, const MatmulPointers& p, const MatmulShape& shape) {
  // From 5 rows on a block of integers would read more of x than of weights: two pairs share it.
  const bool wide = kBits < 16 && shape.rows > 4 && shape.panels > 8 * queue.processors;
  if (shape.rows > 8)
    wide ? launch_few_rows < kBits, kAligned, 2,
        kBits<16 ? 2 : 1>(queue, p, shape)
         : launch_few_rows<kBits, kAligned, 2, 1>(queue, p, shape);
  else
    wide ? launch_few_rows < kBits, kAligned, 1,
        kBits<16 ? 2 : 1>(queue, p, shape)
         : launch_few_rows<kBits, kAligned, 1, 1>(queue, p, shape);
}

}  // namespace

void matmul_few_rows(const CudaQueue& queue, int bits, const MatmulPointers& pointers,
                     const MatmulShape& shape) {
  if (bits == 16 && shape.padded_in % 8 != 0)
    choose_few_rows<16, false>(queue, pointers, shape);
  else if (bits == 16)
    choose_few_rows<16>(queue, pointers, shape);
  else if (bits == 8)
    choose_few_rows<8>(queue, pointers, shape);
  else if (bits == 6)
    choose_few_rows<6>(queue, pointers, shape);
  else if (bits == 5)
    choose_few_rows<5>(queue, pointers, shape);
  else
    choose_few_rows<4>(queue, pointers, shape);
}

}  // namespace tessera
