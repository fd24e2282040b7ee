#include "cuda/kernel.cuh"
#include "ops/bf16_round.h"
#include "ops/cuda.h"
#include "ops/enqueue.cuh"
#include "ops/fault.cuh"
#include "ops/kv_cache.h"
#include "ops/numbers.cuh"
#include "ops/reduce.cuh"

namespace tessera {
namespace {

constexpr int kAppendThreads = 2 * kWarpLanes;  // one warp writes the key, the other the value

// One token's key or value of one head, f32 [dim], and the pages' `codes` of that head. Writes the
// bytes that kv_write does.
struct TokenSlot {
  std::byte* codes;
  float* scales;  // int8 only
  const float* from;
  int64_t dim, slot;
  int lane;
};

__device__ void write_slot_f32(const TokenSlot& to, bool is_value) {
  auto* numbers = reinterpret_cast<float*>(to.codes);
  for (int64_t d = to.lane; d < to.dim; d += kWarpLanes)
    numbers[is_value ? to.slot * to.dim + d : d * kBlockTokens + to.slot] = to.from[d];
}

__device__ void write_slot_bf16(const TokenSlot& to, bool is_value) {
  if (is_value) {
    auto* numbers = reinterpret_cast<uint16_t*>(to.codes) + to.slot / 2 * 2 * to.dim + to.slot % 2;
    for (int64_t d = to.lane; d < to.dim; d += kWarpLanes)
      numbers[2 * d] = bf16_rounded(to.from[d]);
    return;
  }
  auto* pairs = reinterpret_cast<uint32_t*>(to.codes) + to.slot;
  for (int64_t w = to.lane; 2 * w < to.dim; w += kWarpLanes) {
    const uint32_t low = bf16_rounded(to.from[2 * w]);
    const uint32_t high = 2 * w + 1 < to.dim ? bf16_rounded(to.from[2 * w + 1]) : 0;
    pairs[w * kBlockTokens] = low | high << 16;
  }
}

__device__ void write_slot_int8(const TokenSlot& to, bool is_value) {
  int32_t largest = 0;  // by the bits, as largest_magnitude
  for (int64_t d = to.lane; d < to.dim; d += kWarpLanes)
    largest = max(largest, __float_as_int(to.from[d]) & 0x7fffffff);
  const CodeScale code = code_scale(__int_as_float(warp_max(largest)), 127);
  if (to.lane == 0) to.scales[to.slot] = code.scale;

  if (is_value) {
    auto* codes = reinterpret_cast<uint8_t*>(to.codes) + to.slot / 2 * 2 * to.dim + to.slot % 2;
    for (int64_t d = to.lane; d < to.dim; d += kWarpLanes)
      codes[2 * d] = static_cast<uint8_t>(int8_code(to.from[d], code.inverse));
    return;
  }
  auto* pairs = reinterpret_cast<uint16_t*>(to.codes) + to.slot;
  for (int64_t w = to.lane; 2 * w < to.dim; w += kWarpLanes) {
    const int low = int8_code(to.from[2 * w], code.inverse);
    const int high = 2 * w + 1 < to.dim ? int8_code(to.from[2 * w + 1], code.inverse) : 0;
    pairs[w * kBlockTokens] = static_cast<uint16_t>((low & 255) | high << 8);
  }
}

// The sizes of a page that its kernels ask for.
struct PageShape {
  int64_t blocks, kv_heads, dim;
  int64_t key_bytes, value_bytes, scale_bytes;  // of one head
};

// A block for each row and head.
template <KvFormat kFormat>
__global__ void __launch_bounds__(kAppendThreads)
    kv_append_kernel(const float* k, int64_t k_stride, const float* v, int64_t v_stride,
                     const int32_t* positions, const int32_t* sequence, const int32_t* blocks,
                     int64_t sequences, int64_t blocks_stride, int64_t max_context,
                     std::byte* pages, PageShape page, KernelFault* fault) {
  const int64_t row = blockIdx.x, head = blockIdx.y;
  const int64_t position = positions[row], s = sequence[row];
  if (!check_number(fault, FaultKind::kPosition, position, max_context) ||
      !check_number(fault, FaultKind::kSequence, s, sequences))
    return;
  const int64_t block = blocks[s * blocks_stride + position / kBlockTokens];
  if (!check_number(fault, FaultKind::kPage, block, page.blocks)) return;

  const bool is_value = threadIdx.x >= kWarpLanes;
  const int64_t head_bytes = is_value ? page.value_bytes : page.key_bytes;
  std::byte* codes = pages + block * page.kv_heads * (page.key_bytes + page.value_bytes) +
                     (is_value ? page.kv_heads * page.key_bytes : 0) + head * head_bytes;
  const float* from = is_value ? v + row * v_stride : k + row * k_stride;
  const TokenSlot to = {.codes = codes,
                        .scales = reinterpret_cast<float*>(codes + head_bytes - page.scale_bytes),
                        .from = from + head * page.dim,
                        .dim = page.dim,
                        .slot = position % kBlockTokens,
                        .lane = static_cast<int>(threadIdx.x % kWarpLanes)};
  if constexpr (kFormat == KvFormat::kF32)
    write_slot_f32(to, is_value);
  else if constexpr (kFormat == KvFormat::kBF16)
    write_slot_bf16(to, is_value);
  else
    write_slot_int8(to, is_value);
}

}  // namespace

void kv_append_cuda(const CudaQueue& queue, const Tensor& k, const Tensor& v, const BatchRows& rows,
                    const KvPages& pages) {
  const auto kernel = pages.format == KvFormat::kF32    ? kv_append_kernel<KvFormat::kF32>
                      : pages.format == KvFormat::kBF16 ? kv_append_kernel<KvFormat::kBF16>
                                                        : kv_append_kernel<KvFormat::kInt8>;
  const PageShape page = {.blocks = pages.blocks,
                          .kv_heads = pages.kv_heads,
                          .dim = pages.head_dim,
                          .key_bytes = pages.key_bytes(),
                          .value_bytes = pages.value_bytes(),
                          .scale_bytes = pages.scale_bytes()};
  const dim3 grid(static_cast<unsigned>(k.shape[0]), static_cast<unsigned>(pages.kv_heads));
  enqueue(queue, "kv_append", kernel, grid, kAppendThreads, k.f32(), k.row_stride, v.f32(),
          v.row_stride, rows.positions.i32(), rows.sequence.i32(), rows.blocks.i32(),
          rows.blocks.shape[0], rows.blocks.row_stride, rows.max_context,
          static_cast<std::byte*>(pages.data), page, queue.fault);
}

}  // namespace tessera
