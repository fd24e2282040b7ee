#include <algorithm>

#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_step.cuh"
#include "ops/attention_words.cuh"
#include "ops/enqueue.cuh"

namespace tessera {
namespace {

// A block of a split: each of its warps has 32 tokens of a round, and a share of the dimensions.
template <int kDim>
constexpr int kSplitWarps = kDim <= 128 ? 4 : 8;
template <int kDim>
constexpr int kSplitThreads = kSplitWarps<kDim>* kWarpLanes;

constexpr int kSplitHeads = 16;  // rows of a: query heads of one kv head
constexpr int kSplitPages = kSplitTokens / kPageTokens;
constexpr int kCombineThreads = 128;

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

// The row of a slot, -1 where there is none; a fault where a sequence's rows do not stand together.
// All threads call it.
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
    if (atomicMax(&found, static_cast<int>(row)) >= 0)
      report_fault(call.fault, FaultKind::kSequence, sequence, call.sequences);
  }
  __syncthreads();
  return found;
}

// What the warps of a round tell each other, by rows of a.
template <int kWarps>
struct RoundShared {
  float largest[kWarps][kSplitHeads], sum[kWarps][kSplitHeads];
  uint4 weights[kWarps][2][kWarpLanes];  // words of a
};

template <int kDim>
struct alignas(16) SplitShared {
  static constexpr int kWarps = kSplitWarps<kDim>;
  uint4 q[kDim / 16][kWarpLanes];  // words of a
  RoundShared<kWarps> rounds[kSplitTokens / (kWarps * kStepTokens)];
  int row;
};

// The tokens of a split as a lane reads them.
template <typename Words, bool kOdd>
struct SplitTokens {
  const AttentionCall& call;
  int kv_head, first, context;
  int page;  // lane i has page i of the split, -1: past the context, or none

  __device__ int page_of_token(int token) const {
    return __shfl_sync(kWholeWarp, page, (token - first) / kPageTokens);
  }
  __device__ int pairs() const { return (call.head_dim + 1) / 2; }

  // Four tokens of a pair of dimensions; `quad` of the page.
  __device__ typename Words::Four keys(int from_page, int quad, int pair) const {
    const int at = (pair * kPageTokens + 4 * quad) * Words::kBytes;
    return load_or_zero<typename Words::Four>(keys_of(call, from_page, kv_head) + at,
                                              from_page >= 0 && pair < pairs());
  }
  // Dimensions d, d + 1 of tokens `token`, token + 1.
  __device__ typename Words::Two values(int from_page, int token, int d) const {
    const int at = token % kPageTokens / 2 * call.head_dim * Words::kBytes;
    return load_pair<Words, kOdd>(values_of(call, from_page, kv_head) + at, d, call.head_dim,
                                  from_page >= 0 && token < context);
  }
  // Of eight tokens, from `token` on.
  __device__ TokenScales scales(int from_page, int token, bool of_values) const {
    if (!Words::kScaled || from_page < 0) return {};
    const std::byte* base =
        of_values ? values_of(call, from_page, kv_head) +
                        call.head_dim * (kPageTokens / 2) * Words::kBytes
                  : keys_of(call, from_page, kv_head) + pairs() * kPageTokens * Words::kBytes;
    const auto* from = reinterpret_cast<const float4*>(base) + token % kPageTokens / 4;
    const float4 low = __ldg(from), high = __ldg(from + 1);
    return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
  }
};

// Keys on their way: of kCount products the words of b.
template <typename Words, int kCount>
struct KeysAhead {
  typename Words::Four low[kCount], high[kCount];

  template <bool kOdd>
  __device__ void load(const SplitTokens<Words, kOdd>& tokens, int page, int product, int g,
                       int t) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      low[i] = tokens.keys(page, g % 4, 8 * (product + i) + t);
      high[i] = tokens.keys(page, g % 4, 8 * (product + i) + t + 4);
    }
  }
};

// One split of one row, for up to 16 query heads of one kv head. In a round each warp takes the
// scores of 32 tokens; then each takes its share of the dimensions for the tokens of all. The warps
// tell each other their largest scores, from which all follow the same softmax, step by step, that
// a single warp would compute.
template <typename Words, bool kOdd, int kDim>
__global__ void __launch_bounds__(kSplitThreads<kDim>, 1)
    attend_split_kernel(AttentionCall call, SplitRoom room, SplitRows rows) {
  constexpr int kWarps = kSplitWarps<kDim>, kRoundTokens = kWarps * kStepTokens;
  constexpr int kProducts = kDim / 16, kUnits = (kProducts + kWarps - 1) / kWarps;
  constexpr int kAtOnce = kProducts < 8 ? kProducts : 8;  // whose keys are on their way
  constexpr bool kEarly = kWarps == 4;  // the values, too: there are registers for them
  auto& shared = block_shared<SplitShared<kDim>>();
  const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes, g = lane / 4, t = lane % 4;

  const int64_t row = slot_row(call, rows, blockIdx.z, shared.row);
  if (row < 0) return;
  const int context = row_context(call, row);
  const int split = static_cast<int>(blockIdx.x), first = split * kSplitTokens;
  if (first >= context) return;
  const int group = call.heads / call.kv_heads, parts = (group + kSplitHeads - 1) / kSplitHeads;
  const int kv_head = static_cast<int>(blockIdx.y) / parts;
  const int first_head = static_cast<int>(blockIdx.y) % parts * kSplitHeads;
  const int heads = min(kSplitHeads, group - first_head), head = kv_head * group + first_head;
  const int dim = call.head_dim;
  const int index = first / kPageTokens + lane % kSplitPages;
  const int page =
      index * kPageTokens < context ? page_of(call, row_sequence(call, row), index) : -1;
  const SplitTokens<Words, kOdd> tokens = {call, kv_head, first, context, page};

  const float* q = call.q + row * call.q_stride + static_cast<int64_t>(head) * dim;
  for (int i = warp; i < kProducts; i += kWarps) {
    const uint4 words = query_words(g < heads ? q + g * dim : nullptr,
                                    g + 8 < heads ? q + (g + 8) * dim : nullptr, i, t, dim);
    shared.q[i][lane] = words;
  }
  __syncthreads();

  float sums[kUnits][2][4] = {};
  float largest[2] = {kLowestScore, kLowestScore}, total[2] = {0, 0};
#pragma unroll 1
  for (int round = first; round < min(first + kSplitTokens, context); round += kRoundTokens) {
    auto& meet = shared.rounds[(round - first) / kRoundTokens];
    const int own_step = round + warp * kStepTokens;

    // All loads of the round set out. Of a step, g has tokens 4 g .. 4 g + 3 for its keys, t has
    // 8 t .. 8 t + 7 for all else.
    const int key_page = tokens.page_of_token(own_step + 4 * g);
    KeysAhead<Words, kAtOnce> keys;
    keys.load(tokens, key_page, 0, g, t);
    int value_page[kWarps];
#pragma unroll
    for (int step = 0; step < kWarps; ++step)
      value_page[step] = tokens.page_of_token(round + step * kStepTokens + 8 * t);
    const auto load_values = [&](int step, int pair, int unit) {
      return tokens.values(value_page[step], round + step * kStepTokens + 8 * t + 2 * pair,
                           16 * (warp + unit * kWarps) + 2 * g);
    };
    typename Words::Two values[kEarly ? kWarps : 1][4][kUnits];
    if constexpr (kEarly) {
#pragma unroll
      for (int i = 0; i < kWarps * 4 * kUnits; ++i)
        values[i / (4 * kUnits)][i / kUnits % 4][i % kUnits] =
            load_values(i / (4 * kUnits), i / kUnits % 4, i % kUnits);
    }
    const int own_page = tokens.page_of_token(own_step + 8 * t);
    const TokenScales key_scales = tokens.scales(own_page, own_step + 8 * t, false);
    const TokenScales value_scales = tokens.scales(own_page, own_step + 8 * t, true);

    float dots[4][4] = {};
#pragma unroll
    for (int product = 0; product < kProducts; product += kAtOnce) {
      if (product > 0) keys.load(tokens, key_page, product, g, t);
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i)
        multiply_keys(dots, shared.q[product + i][lane], Words::widen(keys.low[i]),
                      Words::widen(keys.high[i]));
    }
    StepScores scores = scale_dots<Words>(dots, call.scale, key_scales);

    const int own[2] = {context - own_step - 8 * t, context - own_step - 8 * t};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float most = largest_of_step(scores.of[h], own[h]);
      if (t == 0) meet.largest[warp][g + 8 * h] = most;
    }
    __syncthreads();
    float after[kWarps + 1][2];  // the softmax's m before the round and after each step
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      after[0][h] = largest[h];
      float own_largest = 0;
#pragma unroll
      for (int step = 0; step < kWarps; ++step) {
        largest[h] = after[step + 1][h] = fmaxf(largest[h], meet.largest[step][g + 8 * h]);
        if (step == warp) own_largest = largest[h];
      }
      const float sum = soften(scores.of[h], own[h], own_largest);
      if (t == 0) meet.sum[warp][g + 8 * h] = sum;
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint4 words = weight_words<Words>(scores, own, i, value_scales);
      meet.weights[warp][i][lane] = words;
    }
    __syncthreads();

#pragma unroll
    for (int step = 0; step < kWarps; ++step) {
      const int left = context - (round + step * kStepTokens) - 8 * t;  // of the lane's tokens
      if (left + 8 * t <= 0) break;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float factor = exp2f(after[step][h] - after[step + 1][h]);
        total[h] = fmaf(total[h], factor, meet.sum[step][g + 8 * h]);
#pragma unroll
        for (int i = 0; i < 4 * kUnits; ++i) sums[i / 4][i / 2 % 2][2 * h + i % 2] *= factor;
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint4 a = meet.weights[step][i][lane];
        const uint32_t low_mask = pair_mask(left - 4 * i), high_mask = pair_mask(left - 4 * i - 2);
#pragma unroll
        for (int unit = 0; unit < kUnits; ++unit) {
          uint2 low, high;
          if constexpr (kEarly) {
            low = Words::widen(values[step][2 * i][unit]);
            high = Words::widen(values[step][2 * i + 1][unit]);
          } else {
            low = Words::widen(load_values(step, 2 * i, unit));
            high = Words::widen(load_values(step, 2 * i + 1, unit));
          }
          multiply(sums[unit][0], a, low.x & low_mask, high.x & high_mask);
          multiply(sums[unit][1], a, low.y & low_mask, high.y & high_mask);
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
      const int d = 16 * (warp + unit * kWarps) + 4 * t;
      if (d >= dim) continue;
      const float(&sum)[2][4] = sums[unit];
      const float4 four = {sum[0][2 * h], sum[1][2 * h], sum[0][2 * h + 1], sum[1][2 * h + 1]};
      if (whole)
        store_out(call, row, head + g + 8 * h, d,
                  {four.x / total[h], four.y / total[h], four.z / total[h], four.w / total[h]});
      else
        *reinterpret_cast<float4*>(room.sums + at * room.dims + d) = four;
    }
  }
}

// The splits of a row and head -> out. A thread has one dimension; its splits are on their way
// before it adds them.
__global__ void __launch_bounds__(kCombineThreads)
    combine_splits_kernel(AttentionCall call, SplitRoom room, SplitRows rows) {
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

template <typename Words, bool kOdd, int kDim>
void launch_splits(const CudaQueue& queue, const AttentionCall& call, const SplitRoom& room,
                   const SplitRows& rows, int64_t count) {
  const int parts = (call.heads / call.kv_heads + kSplitHeads - 1) / kSplitHeads;
  const dim3 grid(static_cast<unsigned>(room.splits), static_cast<unsigned>(call.kv_heads * parts),
                  static_cast<unsigned>(count));
  enqueue(queue, "paged_attention", attend_split_kernel<Words, kOdd, kDim>, grid,
          kSplitThreads<kDim>, call, room, rows);
}

template <typename Words>
void launch_splits(const CudaQueue& queue, const AttentionCall& call, const SplitRoom& room,
                   const SplitRows& rows, int64_t count) {
  const int dim = call.head_dim;
  if (dim % 2 != 0) return launch_splits<Words, true, 256>(queue, call, room, rows, count);
  if (dim <= 32) return launch_splits<Words, false, 32>(queue, call, room, rows, count);
  if (dim <= 64) return launch_splits<Words, false, 64>(queue, call, room, rows, count);
  if (dim <= 80) return launch_splits<Words, false, 80>(queue, call, room, rows, count);
  if (dim <= 96) return launch_splits<Words, false, 96>(queue, call, room, rows, count);
  if (dim <= 128) return launch_splits<Words, false, 128>(queue, call, room, rows, count);
  launch_splits<Words, false, 256>(queue, call, room, rows, count);
}

}  // namespace

uint64_t split_bytes(const AttentionCall& call) {
  return static_cast<uint64_t>(call.heads) * static_cast<uint64_t>(splits_of(call)) *
         (sizeof(SplitTotal) + static_cast<uint64_t>(padded_dims(call)) * sizeof(float));
}

void attend_splits(const CudaQueue& queue, const AttentionCall& call, KvFormat format,
                   bool only_single) {
  constexpr int64_t kMostSlots = 65535;  // of a grid's y and z
  const int splits = splits_of(call);
  const int64_t slots = only_single ? call.sequences : call.rows;
  int64_t at_once = kMostSlots;
  if (splits > 1)
    at_once = std::min(at_once, static_cast<int64_t>(queue.workspace_bytes / split_bytes(call)));
  for (int64_t first = 0; first < slots; first += at_once) {
    const int64_t count = std::min(at_once, slots - first);
    SplitRoom room = {.totals = nullptr,
                      .sums = static_cast<float*>(queue.workspace),
                      .splits = splits,
                      .dims = padded_dims(call)};
    room.totals =
        reinterpret_cast<SplitTotal*>(room.sums + count * call.heads * splits * room.dims);
    const SplitRows rows = {first, only_single};
    if (format == KvFormat::kInt8)
      launch_splits<Int8Words>(queue, call, room, rows, count);
    else
      launch_splits<Bf16Words>(queue, call, room, rows, count);
    if (splits <= 1) continue;
    const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>(count));
    enqueue(queue, "paged_attention", combine_splits_kernel, grid, kCombineThreads, call, room,
            rows);
  }
}

}  // namespace tessera
