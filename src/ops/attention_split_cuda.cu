#include <algorithm>

#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_step.cuh"
#include "ops/attention_words.cuh"
#include "ops/enqueue.cuh"

namespace tessera {
namespace {

constexpr int kSplitWarps = 4;
constexpr int kSplitThreads = kSplitWarps * kWarpThreads;
constexpr int kRoundTokens = kSplitWarps * kStepTokens;
constexpr int kSplitRounds = kSplitTokens / kRoundTokens;
constexpr int kSplitHeads = 16;  // rows of a: query heads of one kv head
constexpr int kSplitPages = kSplitTokens / kPageTokens;

// Where the splits of a launch's rows leave what they come to.
struct SplitRoom {
  SplitTotal* totals;  // [slots][heads][splits]
  float* sums;         // [slots][heads][splits][dims], dims a multiple of four
  int splits, dims;

  __device__ int64_t at(int64_t slot, int heads, int head, int split) const {
    return (slot * heads + head) * splits + split;
  }
};

// The rows of a launch: slot i is row `first` + i, or the only row of sequence `first` + i.
struct SplitRows {
  int64_t first;
  bool only_single;
};

// The row of a slot, -1 where there is none. All threads call it.
__device__ int64_t slot_row(const AttentionCall& call, const SplitRows& rows, int64_t slot,
                            int& found) {
  if (!rows.only_single) return rows.first + slot;
  if (threadIdx.x == 0) found = -1;
  __syncthreads();
  for (int64_t row = threadIdx.x; row < call.rows; row += blockDim.x) {
    const int64_t sequence = call.sequence[row];
    if (sequence != rows.first + slot) continue;
    if (row > 0 && call.sequence[row - 1] == sequence) continue;
    if (row + 1 < call.rows && call.sequence[row + 1] == sequence) continue;
    atomicMax(&found, static_cast<int>(row));
  }
  __syncthreads();
  return found;
}

// What one round of a split exchanges between its warps, by rows of a.
struct RoundShared {
  float largest[kSplitWarps][kSplitHeads], sum[kSplitWarps][kSplitHeads];
  uint4 weights[kSplitWarps][2][kWarpThreads];  // words of a
};

template <int kDim>
struct alignas(16) SplitShared {
  uint4 q[kDim / 16][kWarpThreads];  // words of a
  RoundShared round[kSplitRounds];
  int row;
};

// A lane's scales of its eight tokens of a step; `scales` of the page that they are in, or null.
template <typename Words>
__device__ TokenScales load_scales(const std::byte* scales, int t) {
  TokenScales loaded = {};
  if constexpr (Words::kScaled) {
    if (scales == nullptr) return loaded;
    const auto* from = reinterpret_cast<const float4*>(scales) + t % 2 * 2;
    const float4 low = __ldg(from), high = __ldg(from + 1);
    loaded = {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
  }
  return loaded;
}

// One split of one row, for up to 16 query heads of one kv head. In a round of 128 tokens each warp
// takes the scores of 32; then each takes its share of the dimensions for all 128. The warps tell
// each other their largest scores, from which all follow the same softmax, step by step, that a
// single warp would compute.
template <typename Words, bool kOdd, int kDim>
__global__ void __launch_bounds__(kSplitThreads, 1)
    attend_split_kernel(AttentionCall call, SplitRoom room, SplitRows rows) {
  constexpr int kProducts = kDim / 16, kUnits = (kDim / 16 + kSplitWarps - 1) / kSplitWarps;
  constexpr int kAtOnce = kProducts < 8 ? kProducts : 8;  // products whose keys are on their way
  constexpr bool kEarly = kDim <= 128;  // values too: there are registers for them
  using Four = typename Words::Four;
  using Two = typename Words::Two;
  auto& shared = block_shared<SplitShared<kDim>>();
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads, g = lane / 4, t = lane % 4;

  const int64_t row = slot_row(call, rows, blockIdx.z, shared.row);
  if (row < 0) return;
  const int context = row_context(call, row);
  const int split = static_cast<int>(blockIdx.x), first = split * kSplitTokens;
  if (first >= context) return;
  const int64_t sequence = row_sequence(call, row);
  const int group = call.heads / call.kv_heads, parts = (group + kSplitHeads - 1) / kSplitHeads;
  const int kv_head = static_cast<int>(blockIdx.y) / parts;
  const int first_head = static_cast<int>(blockIdx.y) % parts * kSplitHeads;
  const int heads = min(kSplitHeads, group - first_head), head = kv_head * group + first_head;
  const int dim = call.head_dim, pairs = (dim + 1) / 2;
  const int64_t scales_at = static_cast<int64_t>(pairs) * kPageTokens * Words::kBytes;
  const int64_t value_scales_at = static_cast<int64_t>(dim) * (kPageTokens / 2) * Words::kBytes;

  // Lane i knows page i of the split.
  const int index = first / kPageTokens + lane % kSplitPages;
  const int page = index * kPageTokens < context ? page_of(call, sequence, index) : -1;

  const float* q = call.q + row * call.q_stride + static_cast<int64_t>(head) * dim;
  for (int i = warp; i < kProducts; i += kSplitWarps)
    shared.q[i][lane] = query_words(g < heads ? q + g * dim : nullptr,
                                    g + 8 < heads ? q + (g + 8) * dim : nullptr, i, t, dim);
  __syncthreads();

  float sums[kUnits][2][4] = {};
  float largest[2] = {kLowestScore, kLowestScore}, total[2] = {0, 0};
#pragma unroll 1
  for (int round = 0; round < kSplitRounds; ++round) {
    const int round_first = first + round * kRoundTokens;
    if (round_first >= context) break;
    RoundShared& meet = shared.round[round];

    // All loads of the round set out.
    const int own_page =
        __shfl_sync(kWholeWarp, page, (round * kRoundTokens + warp * kStepTokens) / kPageTokens + g / 4);
    const std::byte* keys = keys_of(call, own_page, kv_head) + (g % 4) * 4 * Words::kBytes;
    const auto load_keys = [&](int pair) {
      return load_or_zero<Four>(keys + static_cast<int64_t>(pair) * kPageTokens * Words::kBytes,
                                own_page >= 0 && pair < pairs);
    };
    Four low[kAtOnce], high[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) low[i] = load_keys(8 * i + t), high[i] = load_keys(8 * i + t + 4);

    const auto load_pair = [&](int page_now, int step, int pair, int unit) {
      const bool there = page_now >= 0 && round_first + step * kStepTokens + 8 * t + 2 * pair < context;
      const std::byte* from = values_of(call, page_now, kv_head) +
                              static_cast<int64_t>(t % 2 * 4 + pair) * dim * Words::kBytes;
      return load_values<Words, kOdd>(from, 16 * (warp + unit * kSplitWarps) + 2 * g, dim, there);
    };
    int value_page[kSplitWarps];
#pragma unroll
    for (int step = 0; step < kSplitWarps; ++step)
      value_page[step] = __shfl_sync(kWholeWarp, page,
                                     (round * kRoundTokens + step * kStepTokens) / kPageTokens + t / 2);
    Two values[kEarly ? kSplitWarps : 1][4][kUnits];
    if constexpr (kEarly) {
#pragma unroll
      for (int step = 0; step < kSplitWarps; ++step)
#pragma unroll
        for (int pair = 0; pair < 4; ++pair)
#pragma unroll
          for (int unit = 0; unit < kUnits; ++unit)
            values[step][pair][unit] = load_pair(value_page[step], step, pair, unit);
    }
    const int scale_page = __shfl_sync(
        kWholeWarp, page, (round * kRoundTokens + warp * kStepTokens) / kPageTokens + t / 2);
    const bool scaled = Words::kScaled && scale_page >= 0;
    const TokenScales key_scales =
        load_scales<Words>(scaled ? keys_of(call, scale_page, kv_head) + scales_at : nullptr, t);
    const TokenScales value_scales = load_scales<Words>(
        scaled ? values_of(call, scale_page, kv_head) + value_scales_at : nullptr, t);

    float dots[4][4] = {};
#pragma unroll
    for (int first_product = 0; first_product < kProducts; first_product += kAtOnce) {
      if (first_product > 0) {
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
          low[i] = load_keys(8 * (first_product + i) + t);
          high[i] = load_keys(8 * (first_product + i) + t + 4);
        }
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i)
        multiply_keys(dots, shared.q[first_product + i][lane], Words::widen(low[i]), Words::widen(high[i]));
    }
    StepScores scores = scale_dots<Words>(dots, call.scale, key_scales);

    const int own = context - (round_first + warp * kStepTokens + 8 * t);  // tokens that count
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float most = largest_of_step(scores.of[h], own);
      if (t == 0) meet.largest[warp][g + 8 * h] = most;
    }
    __syncthreads();
    float before[2], after[kSplitWarps][2];  // the softmax's m, step by step
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      before[h] = largest[h];
#pragma unroll
      for (int step = 0; step < kSplitWarps; ++step)
        after[step][h] = largest[h] = fmaxf(largest[h], meet.largest[step][g + 8 * h]);
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float most = after[0][h];
#pragma unroll
      for (int step = 1; step < kSplitWarps; ++step)
        if (step == warp) most = after[step][h];
      const float sum = soften(scores.of[h], own, most);
      if (t == 0) meet.sum[warp][g + 8 * h] = sum;
    }
    const int count[2] = {own, own};
#pragma unroll
    for (int i = 0; i < 2; ++i)
      meet.weights[warp][i][lane] = weight_words<Words>(scores, count, i, value_scales);
    __syncthreads();

#pragma unroll
    for (int step = 0; step < kSplitWarps; ++step) {
      const int step_first = round_first + step * kStepTokens;
      if (step_first >= context) break;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float factor = exp2f((step == 0 ? before[h] : after[step - 1][h]) - after[step][h]);
        total[h] = fmaf(total[h], factor, meet.sum[step][g + 8 * h]);
#pragma unroll
        for (int unit = 0; unit < kUnits; ++unit)
#pragma unroll
          for (int j = 0; j < 2; ++j)
            sums[unit][j][2 * h] *= factor, sums[unit][j][2 * h + 1] *= factor;
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint4 a = meet.weights[step][i][lane];
        const int left = context - (step_first + 8 * t + 4 * i);
        const uint32_t low_mask = pair_mask(left), high_mask = pair_mask(left - 2);
#pragma unroll
        for (int unit = 0; unit < kUnits; ++unit) {
          Two two[2];
          if constexpr (kEarly) {
            two[0] = values[step][2 * i][unit], two[1] = values[step][2 * i + 1][unit];
          } else {
            two[0] = load_pair(value_page[step], step, 2 * i, unit);
            two[1] = load_pair(value_page[step], step, 2 * i + 1, unit);
          }
          const uint2 b_low = Words::widen(two[0]), b_high = Words::widen(two[1]);
          multiply(sums[unit][0], a, b_low.x & low_mask, b_high.x & high_mask);
          multiply(sums[unit][1], a, b_low.y & low_mask, b_high.y & high_mask);
        }
      }
    }
  }

  const bool whole = context <= kSplitTokens;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    if (g + 8 * h >= heads) continue;
    const int64_t at = room.at(blockIdx.z, call.heads, head + g + 8 * h, split);
    if (!whole && warp == 0 && t == 0) room.totals[at] = {largest[h], total[h]};
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
      const int d = 16 * (warp + unit * kSplitWarps) + 4 * t;
      if (d >= dim) continue;
      float4 four = {sums[unit][0][2 * h], sums[unit][1][2 * h], sums[unit][0][2 * h + 1],
                     sums[unit][1][2 * h + 1]};
      if (!whole) {
        *reinterpret_cast<float4*>(room.sums + at * room.dims + d) = four;
        continue;
      }
      four = {four.x / total[h], four.y / total[h], four.z / total[h], four.w / total[h]};
      store_out(call, row, head + g + 8 * h, d, four);
    }
  }
}

// The splits of a row and head -> out. A thread has one dimension; its splits are on their way
// before it adds them.
__global__ void combine_splits_kernel(AttentionCall call, SplitRoom room, SplitRows rows) {
  struct Shared {
    int row;
  };
  const int64_t row = slot_row(call, rows, blockIdx.y, block_shared<Shared>().row);
  if (row < 0) return;
  const int context = row_context(call, row), head = static_cast<int>(blockIdx.x);
  const int splits = (context + kSplitTokens - 1) / kSplitTokens;
  if (splits <= 1) return;  // written already, or nowhere
  const int64_t at = room.at(blockIdx.y, call.heads, head, 0);
  float* out = call.out + row * call.out_stride + static_cast<int64_t>(head) * call.head_dim;
  for (int d = static_cast<int>(threadIdx.x); d < call.head_dim; d += blockDim.x) {
    SplitTotal total = room.totals[at];
    float sum = room.sums[at * room.dims + d];
#pragma unroll 4
    for (int split = 1; split < splits; ++split) {
      const SplitTotal part = room.totals[at + split];
      const float part_sum = room.sums[(at + split) * room.dims + d];
      sum = combined(sum, part_sum, total.take(part.largest, part.sum));
    }
    out[d] = sum / total.sum;
  }
}

int splits_of(const AttentionCall& call) {
  return static_cast<int>((call.max_context + kSplitTokens - 1) / kSplitTokens);
}

int padded_dims(const AttentionCall& call) {
  return (call.head_dim + 3) / 4 * 4;
}

template <typename Words>
auto split_kernel(int dim) {
  if (dim % 2 != 0) return attend_split_kernel<Words, true, 256>;
  if (dim <= 32) return attend_split_kernel<Words, false, 32>;
  if (dim <= 64) return attend_split_kernel<Words, false, 64>;
  if (dim <= 80) return attend_split_kernel<Words, false, 80>;
  if (dim <= 96) return attend_split_kernel<Words, false, 96>;
  if (dim <= 128) return attend_split_kernel<Words, false, 128>;
  return attend_split_kernel<Words, false, 256>;
}

}  // namespace

uint64_t split_bytes(const AttentionCall& call) {
  return static_cast<uint64_t>(call.heads) * static_cast<uint64_t>(splits_of(call)) *
         (sizeof(SplitTotal) + static_cast<uint64_t>(padded_dims(call)) * sizeof(float));
}

void attend_splits(const CudaQueue& queue, const AttentionCall& call, KvFormat format,
                   bool only_single) {
  const int splits = splits_of(call);
  const int parts = (call.heads / call.kv_heads + kSplitHeads - 1) / kSplitHeads;
  const int64_t slots = only_single ? call.sequences : call.rows;
  const int64_t most_slots = 65535;  // of a grid's y and z
  const int64_t at_once =
      splits <= 1 ? most_slots
                  : std::min(most_slots, static_cast<int64_t>(queue.workspace_bytes / split_bytes(call)));
  for (int64_t first = 0; first < slots; first += at_once) {
    const int64_t count = std::min(at_once, slots - first);
    SplitRoom room = {.totals = nullptr,
                      .sums = static_cast<float*>(queue.workspace),
                      .splits = splits,
                      .dims = padded_dims(call)};
    room.totals = reinterpret_cast<SplitTotal*>(room.sums + count * call.heads * splits * room.dims);
    const SplitRows rows = {first, only_single};
    const dim3 grid(static_cast<unsigned>(splits), static_cast<unsigned>(call.kv_heads * parts),
                    static_cast<unsigned>(count));
    const auto kernel = format == KvFormat::kInt8 ? split_kernel<Int8Words>(call.head_dim)
                                                  : split_kernel<Bf16Words>(call.head_dim);
    enqueue(queue, "paged_attention", kernel, grid, kSplitThreads, call, room, rows);
    if (splits <= 1) continue;
    const dim3 combine_grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(count));
    enqueue(queue, "paged_attention", combine_splits_kernel, combine_grid, kSplitThreads, call, room,
            rows);
  }
}

}  // namespace tessera
