#include "cuda/check.h"
#include "ops/matmul_weights_cuda.cuh"
#include "ops/reduce.cuh"

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
  static constexpr int kSlabs = kSlabBytes > 2048 ? 2 : kSlabBytes > 1024 ? 3 : 4;
  static constexpr int kBytes = kSlabs * kSlabBytes;
  static constexpr int kPartials = kPairs == 1 ? 2 : 1;
  static constexpr int pair_floats(int rows) {
    return (rows + (kBits == 16 ? 0 : 1)) * kPartialStride;  // integers: and the scales
  }
};

/// A block computes 32 kPairs outputs of all rows, at most 8 kTiles. Its warps take the groups in
/// turn, eight of them a round; each leaves its group's sums and scales in shared memory, and then
/// every thread adds those of its own elements, in the order of the groups. Kept twice, they need
/// one barrier a round, else two.
template <int kBits, bool kAligned, int kTiles, int kPairs>
__global__ void __launch_bounds__(kWarps * 32, kPairs* kTiles == 1 && kAligned ? 3 : 2)
    few_rows_kernel(const unsigned char* x, const float* x_scales, const unsigned char* w,
                    const float* bias, float* out, MatmulShape shape) {
  using Weights = WarpWeights<kBits, kAligned>;
  using XBlock = typename Weights::XBlock;
  using Sum = typename Weights::Sum;
  using Ring = FewRowsRing<kBits, kPairs>;
  constexpr int kGroup = kGroupInputs<kBits>, kSlabsPerGroup = kGroup / Ring::kSlabInputs;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = lane / 4, t = lane % 4, first_pair = static_cast<int>(blockIdx.x) * kPairs;
  auto* memory = dynamic_shared<unsigned char>();
  unsigned char* ring = memory + warp * Ring::kBytes;
  // [kPartials][8 warps][kPairs][rows of x, and the scales][kPartialStride]
  auto* partials = reinterpret_cast<float*>(memory + kWarps * Ring::kBytes);
  const int pair_size = Ring::pair_floats(shape.rows);

  Weights weights[kPairs];
  const unsigned char* scales[kPairs];  // of output `lane`
  const unsigned char* x_rows[kTiles];  // rows that x does not have are its last
#pragma unroll
  for (int p = 0; p < kPairs; ++p) {
    weights[p] = Weights(w, shape, first_pair + p);
    const int panel = min((first_pair + p) * 2 + lane / 16, shape.panels - 1);
    scales[p] = w + static_cast<int64_t>(panel) * shape.panel_bytes + lane % 16 * 2;
  }
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
    x_rows[n] =
        x + (static_cast<int64_t>(min(8 * n + g, shape.rows - 1)) * shape.x_stride + 8 * t) *
                Weights::kInputBytes;

  // Slab `slab` of this warp, counted from its first; may be behind the last input.
  const auto first_input = [&](int slab) {
    const int group = slab / kSlabsPerGroup * kWarps + warp;
    return group * kGroup + slab % kSlabsPerGroup * Ring::kSlabInputs;
  };
  const auto fetch = [&](int slab, unsigned char* to) {
    const int first = first_input(slab);
    if (first < shape.padded_in)
#pragma unroll
      for (int p = 0; p < kPairs; ++p)
        weights[p].template fetch<Ring::kBlocks>(first, to + p * Ring::kPairBytes);
    cp_async_commit();
  };
  for (int slab = 0; slab < Ring::kSlabs - 1; ++slab) fetch(slab, ring + slab * Ring::kSlabBytes);
  unsigned char* read = ring;
  unsigned char* write = ring + (Ring::kSlabs - 1) * Ring::kSlabBytes;

  // What else a slab takes is in registers before its turn: x, and at a group's start the scales.
  XBlock columns[Ring::kBlocks][kTiles], next_columns[Ring::kBlocks][kTiles] = {};
  uint16_t scale[kPairs] = {}, next_scale[kPairs] = {};
  const auto load_next = [&](int slab) {
    const int first = first_input(slab);
    if (first >= shape.padded_in) return;
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int b = 0; b < Ring::kBlocks; ++b)
        next_columns[b][n] = __ldg(reinterpret_cast<const XBlock*>(
            x_rows[n] + (first + b * kBlockInputs) * Weights::kInputBytes));
    if constexpr (Weights::kInteger)
#pragma unroll
      for (int p = 0; p < kPairs; ++p)
        next_scale[p] = __ldg(reinterpret_cast<const uint16_t*>(scales[p] + first / kGroup * 32));
  };
  const auto take_next = [&] {
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int b = 0; b < Ring::kBlocks; ++b) columns[b][n] = next_columns[b][n];
#pragma unroll
    for (int p = 0; p < kPairs; ++p) scale[p] = next_scale[p];
  };
  load_next(0);

  float sums[kPairs][kTiles] = {};  // of output `lane` of a pair, rows warp and warp + 8
  float* buffer = partials;
  const int rounds = (shape.groups + kWarps - 1) / kWarps;
  for (int round = 0; round < rounds; ++round) {
    float x_scale[kTiles] = {};  // of row warp + 8 n and, in each lane, one of the round's groups
    if constexpr (Weights::kInteger)
#pragma unroll
      for (int n = 0; n < kTiles; ++n)
        x_scale[n] =
            __ldg(x_scales +
                  min(round * kWarps + lane % kWarps, shape.groups - 1) * shape.x_scale_stride +
                  min(8 * n + warp, shape.rows - 1));
    Sum group[kPairs][2][kTiles][4];
#pragma unroll
    for (int p = 0; p < kPairs; ++p) start_group(group[p]);
#pragma unroll 1
    for (int part = 0; part < kSlabsPerGroup; ++part) {
      const int slab = round * kSlabsPerGroup + part;
      take_next();
      cp_async_wait<Ring::kSlabs - 2>();
      __syncwarp();
      fetch(slab + Ring::kSlabs - 1, write);  // in place of the slab before
      load_next(slab + 1);
      if (first_input(slab) < shape.padded_in) {
#pragma unroll
        for (int p = 0; p < kPairs; ++p)
#pragma unroll
          for (int b = 0; b < Ring::kBlocks; ++b) {
            typename Weights::Block block;
            Weights::template load<Ring::kBlocks>(read + p * Ring::kPairBytes, b, block);
            multiply_block<Weights>(block, columns[b], group[p]);
          }
      }
      write = read;
      read = read + Ring::kSlabBytes == ring + Ring::kBytes ? ring : read + Ring::kSlabBytes;
    }

#pragma unroll
    for (int p = 0; p < kPairs; ++p) {
      float* own = buffer + (warp * kPairs + p) * pair_size;
      float* four = own + 2 * t * kPartialStride + 4 * g;
#pragma unroll
      for (int n = 0; n < kTiles; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (8 * n + 2 * t + e < shape.rows)
            *reinterpret_cast<float4*>(four + (8 * n + e) * kPartialStride) =
                four_outputs(group[p], n, e);
      if constexpr (Weights::kInteger)
        own[shape.rows * kPartialStride + lane] = Weights::scale(scale[p]);
    }
    __syncthreads();
    const int groups = shape.groups - round * kWarps;
#pragma unroll
    for (int p = 0; p < kPairs; ++p)
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        const int row = 8 * n + warp;
        if (row >= shape.rows) continue;
        const float* from = buffer + p * pair_size + lane;
        const auto add = [&](int q) {
          const float* pair = from + q * kPairs * pair_size;
          float by = 1;
          if constexpr (Weights::kInteger)
            by = __fmul_rn(__shfl_sync(kWholeWarp, x_scale[n], q),
                           pair[shape.rows * kPartialStride]);
          sums[p][n] = fmaf(pair[row * kPartialStride], by, sums[p][n]);
        };
        if (groups >= kWarps) {
#pragma unroll
          for (int q = 0; q < kWarps; ++q) add(q);
        } else {
#pragma unroll 1
          for (int q = 0; q < groups; ++q) add(q);
        }
      }
    if constexpr (Ring::kPartials == 1)
      __syncthreads();
    else
      buffer = buffer == partials ? partials + kWarps * kPairs * pair_size : partials;
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
  const size_t partials = static_cast<size_t>(Ring::pair_floats(shape.rows)) * sizeof(float);
  const size_t bytes = kWarps * (Ring::kBytes + Ring::kPartials * kPairs * partials);
  cuda_check(allow_dynamic_shared(kernel, bytes), "matmul", "launch");
  const int outputs = kWarpOutputs * kPairs;
  cuda_check(launch_kernel(kernel, dim3((shape.out + outputs - 1) / outputs), dim3(kWarps * 32),
                           bytes, queue.stream, p.x, p.x_scales, p.w, p.bias, p.out, shape),
             "matmul", "launch");
}

template <int kBits, bool kAligned = true>
void choose_few_rows(const CudaQueue& queue, const MatmulPointers& p, const MatmulShape& shape) {
  // From 9 rows on a block of integers reads as much of x as of weights: two pairs share it.
  constexpr int kMostPairs = kBits < 16 ? 2 : 1;
  if (shape.rows <= 8)
    launch_few_rows<kBits, kAligned, 1, 1>(queue, p, shape);
  else if (shape.panels <= 8 * queue.processors)
    launch_few_rows<kBits, kAligned, 2, 1>(queue, p, shape);
  else
    launch_few_rows<kBits, kAligned, 2, kMostPairs>(queue, p, shape);
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
