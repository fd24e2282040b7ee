#include "cuda/check.h"
#include "ops/matmul_weights_cuda.cuh"
#include "ops/row_access.cuh"

namespace tessera {
namespace {

// to = sums + bias + to, of the first `count` outputs; `bias` may be null.
template <bool kAligned>
__device__ void finish_four(float4 sums, const float* bias, bool add, float* to, int count) {
  const auto plus = [&](const float4& more) {
    sums = {sums.x + more.x, sums.y + more.y, sums.z + more.z, sums.w + more.w};
  };
  if (bias != nullptr) plus(load_four<kAligned>(bias, count));
  if (add) plus(load_four<kAligned>(to, count));
  store_four<kAligned>(to, sums, count);
}

/// Shared memory of a block: slabs of x, and behind each those of the warps' weights.
template <int kBits, int kTiles>
struct ManyRowsRing {
  static constexpr int kRows = 8 * kTiles;
  static constexpr int kBlocks = kBits == 16 ? 1 : 2;
  static constexpr int kSlabInputs = kBlocks * kBlockInputs;
  static constexpr int kXBytes = kRows * kSlabInputs * (kBits == 16 ? 2 : 1);
  static constexpr int kWarpBytes = kWarpOutputs * kSlabInputs * kBits / 8;
  static constexpr int kSlabs = 4;
  static constexpr int bytes(int warps) { return kSlabs * (kXBytes + warps * kWarpBytes); }
};

/// A block computes 8 kTiles rows and 32 outputs for each of its warps, which go through all
/// inputs; x is theirs together, the weights each warp's own. So a block's codes are unpacked once
/// for all of its rows, and no weight passes between lanes.
template <int kBits, bool kAligned, int kTiles>
__global__ void __launch_bounds__(256, 1)
    many_rows_kernel(const unsigned char* x, const float* x_scales, const unsigned char* w,
                     const float* bias, float* out, MatmulShape shape) {
  using Weights = WarpWeights<kBits, kAligned>;
  using XBlock = typename Weights::XBlock;
  using Ring = ManyRowsRing<kBits, kTiles>;
  constexpr int kSlabsPerGroup = kGroupInputs<kBits> / Ring::kSlabInputs;
  const int warps = static_cast<int>(blockDim.x / 32);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = lane / 4, t = lane % 4;
  const int pair = static_cast<int>(blockIdx.y) * warps + warp;
  const int first_row = static_cast<int>(blockIdx.x) * Ring::kRows;
  const Weights weights(w, shape, pair);
  // of the lane's four outputs, for the first group
  const int panel = min(2 * pair + lane / 16, shape.panels - 1);
  const unsigned char* panel_scales =
      w + static_cast<int64_t>(panel) * shape.panel_bytes + g % 4 * 8;

  auto* memory = dynamic_shared<unsigned char>();
  const auto x_slab = [&](int slab) {
    return memory + slab % Ring::kSlabs * (Ring::kXBytes + warps * Ring::kWarpBytes);
  };
  const auto w_slab = [&](int slab) {
    return x_slab(slab) + Ring::kXBytes + warp * Ring::kWarpBytes;
  };
  const int slabs = (shape.padded_in + Ring::kSlabInputs - 1) / Ring::kSlabInputs;
  const auto fetch = [&](int slab) {
    if (slab < slabs) {
      const int first = slab * Ring::kSlabInputs;
      // [kBlocks][rows][32 inputs]; rows that x does not have are its last
      constexpr int kPieces = kBlockInputs * Weights::kInputBytes / 16;  // of a row's block
      for (int i = static_cast<int>(threadIdx.x); i < Ring::kXBytes / 16;
           i += static_cast<int>(blockDim.x)) {
        const int block = i / (Ring::kRows * kPieces),
                  row = min(first_row + i / kPieces % Ring::kRows, shape.rows - 1);
        const int64_t input =
            static_cast<int64_t>(row) * shape.x_stride + first + block * kBlockInputs;
        cp_async_16(x_slab(slab) + i * 16, x + input * Weights::kInputBytes + i % kPieces * 16);
      }
      weights.template fetch<Ring::kBlocks>(first, w_slab(slab));
    }
    cp_async_commit();
  };
  for (int slab = 0; slab < Ring::kSlabs - 1; ++slab) fetch(slab);

  float sums[2][kTiles][4] = {};
  for (int index = 0; index < shape.groups; ++index) {
    uint2 scales = {};  // early: they are needed at the end
    float2 x_scale[kTiles] = {};
    if constexpr (Weights::kInteger) {
      scales = __ldg(reinterpret_cast<const uint2*>(panel_scales + index * 32));
#pragma unroll
      for (int n = 0; n < kTiles; ++n)
        x_scale[n] = __ldg(reinterpret_cast<const float2*>(x_scales + index * shape.x_scale_stride +
                                                           first_row + 8 * n + 2 * t));
    }
    typename Weights::Sum group[2][kTiles][4];
    start_group(group);
#pragma unroll
    for (int part = 0; part < kSlabsPerGroup; ++part) {
      const int slab = index * kSlabsPerGroup + part;
      cp_async_wait<Ring::kSlabs - 2>();
      __syncthreads();
      fetch(slab + Ring::kSlabs - 1);  // in place of the slab before
      if (slab >= slabs) continue;
#pragma unroll
      for (int b = 0; b < Ring::kBlocks; ++b) {
        XBlock columns[kTiles];
#pragma unroll
        for (int n = 0; n < kTiles; ++n)
          columns[n] =
              reinterpret_cast<const XBlock*>(x_slab(slab))[((b * kTiles + n) * 8 + g) * 4 + t];
        typename Weights::Block block;
        Weights::template load<Ring::kBlocks>(w_slab(slab), b, block);
        multiply_block<Weights>(block, columns, group);
      }
    }
#pragma unroll
    for (int m = 0; m < 2; ++m) {
      const uint32_t two = m == 0 ? scales.x : scales.y;
      const float low = Weights::scale(two & 0xffff), high = Weights::scale(two >> 16);
#pragma unroll
      for (int n = 0; n < kTiles; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float by = 1;
          if constexpr (Weights::kInteger)
            by = __fmul_rn(i % 2 == 0 ? x_scale[n].x : x_scale[n].y, i < 2 ? low : high);
          sums[m][n][i] = fmaf(group_number(group[m][n][i]), by, sums[m][n][i]);
        }
    }
  }

  const int output = pair * kWarpOutputs + 4 * g;
  if (output >= shape.out) return;
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int row = first_row + 8 * n + 2 * t + e;
      if (row >= shape.rows) continue;
      const float4 four = four_outputs(sums, n, e);
      float* to = out + row * shape.out_stride + output;
      const float* b = bias == nullptr ? nullptr : bias + output;
      if (shape.out_aligned)
        finish_four<true>(four, b, shape.add_to_out, to, shape.out - output);
      else
        finish_four<false>(four, b, shape.add_to_out, to, shape.out - output);
    }
}

template <int kBits, bool kAligned, int kTiles>
void launch_many_rows(const CudaQueue& queue, const MatmulPointers& p, const MatmulShape& shape) {
  using Ring = ManyRowsRing<kBits, kTiles>;
  const int row_blocks = (shape.rows + Ring::kRows - 1) / Ring::kRows;
  const int pairs = (shape.out + kWarpOutputs - 1) / kWarpOutputs;
  int warps = 8;  // fewer where the card would stand idle
  while (warps > 2 && row_blocks * ((pairs + warps - 1) / warps) < queue.processors) warps /= 2;
  const auto kernel = many_rows_kernel<kBits, kAligned, kTiles>;
  const auto bytes = static_cast<size_t>(Ring::bytes(warps));
  cuda_check(allow_dynamic_shared(kernel, bytes), "matmul", "launch");
  // Blocks that follow each other have the same weights, which are in the L2 cache then.
  cuda_check(launch_kernel(kernel, dim3(row_blocks, (pairs + warps - 1) / warps), dim3(warps * 32),
                           bytes, queue.stream, p.x, p.x_scales, p.w, p.bias, p.out, shape),
             "matmul", "launch");
}

template <int kBits, bool kAligned = true>
void choose_many_rows(const CudaQueue& queue, const MatmulPointers& p, const MatmulShape& shape) {
  if (shape.rows > 32)
    launch_many_rows<kBits, kAligned, 8>(queue, p, shape);
  else
    launch_many_rows<kBits, kAligned, 4>(queue, p, shape);
}

}  // namespace

void matmul_many_rows(const CudaQueue& queue, int bits, const MatmulPointers& pointers,
                      const MatmulShape& shape) {
  if (bits == 16 && shape.padded_in % 8 != 0)
    choose_many_rows<16, false>(queue, pointers, shape);
  else if (bits == 16)
    choose_many_rows<16>(queue, pointers, shape);
  else if (bits == 8)
    choose_many_rows<8>(queue, pointers, shape);
  else if (bits == 6)
    choose_many_rows<6>(queue, pointers, shape);
  else if (bits == 5)
    choose_many_rows<5>(queue, pointers, shape);
  else
    choose_many_rows<4>(queue, pointers, shape);
}

}  // namespace tessera
