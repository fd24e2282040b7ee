#include <algorithm>

#include "cuda/kernel.cuh"
#include "ops/attention_call.cuh"
#include "ops/attention_step.cuh"
#include "ops/attention_words.cuh"
#include "ops/enqueue.cuh"

namespace tessera {
namespace {

constexpr int kTileWarps = 4;
constexpr int kStageThreads = kTileWarps * kWarpLanes;
constexpr int kTileQueries = 16 * kTileWarps;  // a query: one row's head

// Sums of more than 128 dimensions are too many for a thread: two warps have the same queries then,
// each for half of the values' dimensions.
template <int kDim>
constexpr int kTileHalves = kDim > 128 ? 2 : 1;
template <int kDim>
constexpr int kTileThreads = kStageThreads* kTileHalves<kDim>;

// One step's keys and values as bf16 words, once for all warps. Strides are 8 or 24 modulo 32
// words: what the lanes of a warp load at once lies in different banks.
template <int kDim>
struct alignas(16) TileShared {
  uint32_t keys[kDim / 2][kStepTokens + 8];  // [pair of dimensions][token]
  uint32_t values[16][kDim + 8];             // [pair % 4][pair / 4][dimension], pairs of tokens
  float key_scales[kStepTokens], value_scales[kStepTokens];
  int limits[kTileWarps];
};

// A thread's part of a step on its way from the pages to TileShared: four tokens of every 16th pair
// of dimensions, and two of every 16 dimensions of a pair of tokens.
template <typename Words, bool kOdd, int kDim>
struct TileStage {
  static constexpr int kFours = (kDim / 2 + 15) / 16, kTwos = kDim / 16;

  int key_pair, key_token;               // first pair of dimensions, first token of the step
  int value_row, value_pair, value_dim;  // row of TileShared, pair of tokens, first dimension
  typename Words::Four keys[kFours];
  typename Words::Two values[kTwos];
  float scale;

  __device__ explicit TileStage(int thread) {
    key_pair = thread % 64 / 4;
    key_token = thread / 64 * kPageTokens + thread % 4 * 4;
    // Threads 0 .. 7 and 8 .. 15 write two rows apart: to different banks.
    value_row = thread / 32 * 4 + thread / 8 % 2 * 2 + thread / 16 % 2;
    value_pair = value_row % 4 * 4 + value_row / 4;
    value_dim = thread % 8 * 2;
  }

  // `page`: of this thread's keys, -1: none.
  __device__ void load_keys(const AttentionCall& call, int page, int kv_head) {
    const int pairs = (call.head_dim + 1) / 2;
    const std::byte* from = keys_of(call, page, kv_head) +
                            (key_pair * kPageTokens + key_token % kPageTokens) * Words::kBytes;
#pragma unroll
    for (int n = 0; n < kFours; ++n)
      keys[n] = load_or_zero<typename Words::Four>(from + n * 16 * kPageTokens * Words::kBytes,
                                                   page >= 0 && key_pair + 16 * n < pairs);
  }

  // `page`: of this thread's values, -1: none. Only the first `count` tokens of the step are there.
  __device__ void load_values(const AttentionCall& call, int page, int kv_head, int count) {
    const int dim = call.head_dim, pairs = (dim + 1) / 2;
    const std::byte* values_from = values_of(call, page, kv_head);
    const std::byte* pair = values_from + value_pair % 8 * dim * Words::kBytes;
#pragma unroll
    for (int n = 0; n < kTwos; ++n)
      values[n] = load_pair<Words, kOdd>(pair, value_dim + 16 * n, dim,
                                         page >= 0 && 2 * value_pair < count);
    if constexpr (Words::kScaled) {
      // Of a pair's eight threads four have a scale: of its two keys and its two values.
      const int token = value_pair * 2 % kPageTokens + value_dim / 2 % 2;
      const std::byte* scales =
          value_dim < 4 ? keys_of(call, page, kv_head) + pairs * kPageTokens * Words::kBytes
                        : values_from + dim * (kPageTokens / 2) * Words::kBytes;
      scale = load_or_zero<float>(scales + token * sizeof(float), page >= 0 && value_dim < 8);
    }
  }

  __device__ void store_keys(TileShared<kDim>& shared) const {
#pragma unroll
    for (int n = 0; n < kFours; ++n)
      if (kDim % 32 == 0 || key_pair + 16 * n < kDim / 2)
        *reinterpret_cast<uint4*>(&shared.keys[key_pair + 16 * n][key_token]) =
            Words::widen(keys[n]);
  }

  __device__ void store_values(TileShared<kDim>& shared, int count) const {
    const uint32_t mask = pair_mask(count - 2 * value_pair);
#pragma unroll
    for (int n = 0; n < kTwos; ++n) {
      const uint2 two = Words::widen(values[n]);
      *reinterpret_cast<uint2*>(&shared.values[value_row][value_dim + 16 * n]) = {two.x & mask,
                                                                                  two.y & mask};
    }
    if constexpr (Words::kScaled) {
      if (value_dim >= 8) return;
      float* scales = value_dim < 4 ? shared.key_scales : shared.value_scales;
      scales[2 * value_pair + value_dim / 2 % 2] = scale;
    }
  }
};

// Rows first .. first + count - 1, all of one sequence, of one kv head the query heads `head` ..
// head + heads - 1.
struct TileRows {
  int first, sequence, count;
  int kv_head, head, heads;
};

// A launch's tiles are spans of `rows` rows (blockIdx.x); block z takes the z-th run of rows of one
// sequence in it. count = 0 where there is none, or where attend_splits takes it. More runs than
// sequences: one is none, or stands in two places.
__device__ TileRows find_tile(const AttentionCall& call, int rows, bool skip_single) {
  const int group = call.heads / call.kv_heads, part = min(group, kTileQueries);
  const int parts = (group + part - 1) / part;
  TileRows tile = {};
  tile.kv_head = static_cast<int>(blockIdx.y) / parts;
  const int first_head = static_cast<int>(blockIdx.y) % parts * part;
  tile.head = tile.kv_head * group + first_head;
  tile.heads = min(part, group - first_head);

  // The last spans of a causal chunk have most to do: they start first.
  const int span = static_cast<int>(gridDim.x - 1 - blockIdx.x) * rows;
  const int end = min(span + rows, static_cast<int>(call.rows));
  if (call.sequence == nullptr) {
    tile.first = span;
    tile.count = end - span;
    return tile;
  }
  int run = -1;
  int row = span;
  for (; row < end; ++row) {
    if (row == span || call.sequence[row] != call.sequence[row - 1]) ++run;
    if (run == static_cast<int>(blockIdx.z)) break;
  }
  if (row == end) return tile;
  tile.first = row;
  tile.sequence = call.sequence[row];
  while (row < end && call.sequence[row] == tile.sequence) ++row;
  tile.count = row - tile.first;
  if (blockIdx.z == gridDim.z - 1 && row < end)
    report_fault(call.fault, FaultKind::kSequence, call.sequence[row], call.sequences);
  const bool single = tile.count == 1 &&
                      (tile.first == 0 || call.sequence[tile.first - 1] != tile.sequence) &&
                      (row == call.rows || call.sequence[row] != tile.sequence);
  if (skip_single && single) {
    check_number(call.fault, FaultKind::kSequence, tile.sequence, call.sequences);
    tile.count = 0;
  }
  return tile;
}

__device__ bool holds_no_number(uint32_t pair) {
  return (pair & 0x7f80U) == 0x7f80U || (pair & 0x7f800000U) == 0x7f800000U;
}

// What a warp's 16 queries have come to in the present split, and in those before it. A lane holds
// queries g and g + 8; the sums of earlier splits lie in `out`.
template <typename Words, int kDim>
struct TileQueries {
  static constexpr int kProducts = kDim / 16, kUnits = kProducts / kTileHalves<kDim>;

  uint4 q[kProducts];  // words of a
  int first_dim;       // of sums
  float sums[kUnits][2][4];
  float largest[2], total[2];
  SplitTotal before[2];
  int context[2];  // tokens that the query attends to; of no query: those of the tile

  __device__ void start_split() {
#pragma unroll
    for (int u = 0; u < kUnits; ++u)
#pragma unroll
      for (int i = 0; i < 8; ++i) sums[u][i / 4][i % 4] = 0;
#pragma unroll
    for (int h = 0; h < 2; ++h) largest[h] = kLowestScore, total[h] = 0;
  }

  // One step, from token `first`. `shortest`: the fewest tokens that a query of the warp attends
  // to.
  __device__ void meet(const TileShared<kDim>& shared, int first, int shortest, float scale,
                       int lane) {
    const int g = lane / 4, t = lane % 4;
    float dots[4][4] = {};
#pragma unroll
    for (int i = 0; i < kProducts; ++i)
      multiply_keys(dots, q[i], *reinterpret_cast<const uint4*>(&shared.keys[8 * i + t][4 * g]),
                    *reinterpret_cast<const uint4*>(&shared.keys[8 * i + t + 4][4 * g]));
    TokenScales key_scales = {}, value_scales = {};
    if constexpr (Words::kScaled) {
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        key_scales.of[e] = shared.key_scales[8 * t + e];
        value_scales.of[e] = shared.value_scales[8 * t + e];
      }
    }
    StepScores scores = scale_dots<Words>(dots, scale, key_scales);
    const int own[2] = {context[0] - first - 8 * t, context[1] - first - 8 * t};
    float factor[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float most = fmaxf(largest[h], largest_of_step(scores.of[h], own[h]));
      factor[h] = exp2f(largest[h] - most);
      largest[h] = most;
      total[h] = fmaf(total[h], factor[h], soften(scores.of[h], own[h], most));
    }
    if (__any_sync(kWholeWarp, factor[0] != 1 || factor[1] != 1)) {
#pragma unroll
      for (int u = 0; u < kUnits; ++u)
#pragma unroll
        for (int i = 0; i < 8; ++i) sums[u][i / 4][i % 4] *= factor[i % 4 / 2];
    }
    const uint4 a[2] = {weight_words<Words>(scores, own, 0, value_scales),
                        weight_words<Words>(scores, own, 1, value_scales)};
    if constexpr (!Words::kScaled) {
      if (shortest < first + kStepTokens && any_is_no_number(shared, lane)) {
        add_values_one_by_one(shared, a, own, lane);
        return;
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        const uint2 low = values_at(shared, 2 * i, u, lane),
                    high = values_at(shared, 2 * i + 1, u, lane);
        multiply(sums[u][0], a[i], low.x, high.x);
        multiply(sums[u][1], a[i], low.y, high.y);
      }
  }

  // Of the lane's four pairs of tokens one, dimensions 16 u + 2 g and the next of its half.
  __device__ uint2 values_at(const TileShared<kDim>& shared, int pair, int u, int lane) const {
    return *reinterpret_cast<const uint2*>(
        &shared.values[4 * pair + lane % 4][first_dim + 16 * u + lane / 4 * 2]);
  }

  __device__ static bool any_is_no_number(const TileShared<kDim>& shared, int lane) {
    bool found = false;
    for (int i = lane; i < 16 * kDim; i += kWarpLanes)
      found = found || holds_no_number(shared.values[i / kDim][i % kDim]);
    return __any_sync(kWholeWarp, found);
  }

  // For queries that do not all attend to these tokens, where a value is infinite or NaN: query by
  // query without the values that it does not attend to, since 0 times them would be NaN.
  __device__ void add_values_one_by_one(const TileShared<kDim>& shared, const uint4 (&a)[2],
                                        const int (&own)[2], int lane) {
#pragma unroll 1
    for (int query = 0; query < 16; ++query) {
      const bool mine = lane / 4 == query % 8, top = query < 8;
      const int count = __shfl_sync(kWholeWarp, top ? own[0] : own[1], query % 8 * 4 + lane % 4);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint32_t low_mask = pair_mask(count - 4 * i),
                       high_mask = pair_mask(count - 4 * i - 2);
#pragma unroll
        for (int u = 0; u < kUnits; ++u) {
          const uint2 low = values_at(shared, 2 * i, u, lane),
                      high = values_at(shared, 2 * i + 1, u, lane);
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            float(&sum)[4] = sums[u][j];
            float with[4] = {sum[0], sum[1], sum[2], sum[3]};
            multiply(with, a[i], (j == 0 ? low.x : low.y) & low_mask,
                     (j == 0 ? high.x : high.y) & high_mask);
            if (mine && top) sum[0] = with[0], sum[1] = with[1];
            if (mine && !top) sum[2] = with[2], sum[3] = with[3];
          }
        }
      }
    }
  }

  // Adds the split that began at token `first` to those before it, of query g + 8 h.
  __device__ void finish_split(const AttentionCall& call, int h, int first, int64_t row, int head,
                               int t) {
    SplitTotal::Factors factors = {};
    if (first == 0)
      before[h] = {largest[h], total[h]};
    else
      factors = before[h].take(largest[h], total[h]);
    const bool last = context[h] <= first + kSplitTokens;
    const float* out =
        call.out + row * call.out_stride + static_cast<int64_t>(head) * call.head_dim;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      float part[4] = {sums[u][0][2 * h], sums[u][1][2 * h], sums[u][0][2 * h + 1],
                       sums[u][1][2 * h + 1]};
      const int d = first_dim + 16 * u + 4 * t;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (first > 0 && d + i < call.head_dim) part[i] = combined(out[d + i], part[i], factors);
        if (last) part[i] /= before[h].sum;
      }
      store_out(call, row, head, d, {part[0], part[1], part[2], part[3]});
    }
  }
};

__device__ int warp_largest(int x) {
#pragma unroll
  for (int step = kWarpLanes / 2; step > 0; step /= 2)
    x = max(x, __shfl_xor_sync(kWholeWarp, x, step));
  return x;
}

// A tile of up to 64 queries of one kv head and one sequence, 16 to a warp. Keys and values of a
// step lie in shared memory while the next ones are on their way.
template <typename Words, bool kOdd, int kDim>
__global__ void __launch_bounds__(kTileThreads<kDim>, 1)
    attend_tile_kernel(AttentionCall call, int rows, bool skip_single) {
  constexpr bool kAhead = kDim <= 128;  // else there are no registers for the next step
  auto& shared = block_shared<TileShared<kDim>>();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarpLanes;
  const int lane = thread % kWarpLanes, g = lane / 4, t = lane % 4;
  const bool stages = kTileHalves<kDim> == 1 || thread < kStageThreads;
  const TileRows tile = find_tile(call, rows, skip_single);
  if (tile.count == 0) return;
  const auto query_of = [&](int h) { return 16 * (warp % kTileWarps) + g + 8 * h; };
  const auto row_of = [&](int h) { return tile.first + query_of(h) / tile.heads; };
  const auto head_of = [&](int h) { return tile.head + query_of(h) % tile.heads; };

  TileQueries<Words, kDim> queries;
  queries.first_dim = warp / kTileWarps * 128;
  int longest = 0, shortest = 0x7fffffff;
  const float* q[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = row_of(h);
    queries.context[h] = row < tile.first + tile.count ? row_context(call, row) : 0;
    if (queries.context[h] > 0) shortest = min(shortest, queries.context[h]);
    longest = max(longest, queries.context[h]);
    q[h] = queries.context[h] == 0
               ? nullptr
               : call.q + row * call.q_stride + static_cast<int64_t>(head_of(h)) * call.head_dim;
  }
#pragma unroll
  for (int i = 0; i < kDim / 16; ++i) queries.q[i] = query_words(q[0], q[1], i, t, call.head_dim);
  longest = warp_largest(longest);
  shortest = -warp_largest(-shortest);
  // Of the two warps that share queries one says it: two writes of the same are a race as well.
  if (lane == 0 && warp < kTileWarps) shared.limits[warp] = longest;
  __syncthreads();
  int limit = 0;
#pragma unroll
  for (int i = 0; i < kTileWarps; ++i) limit = max(limit, shared.limits[i]);

  TileStage<Words, kOdd, kDim> stage(thread);
  const auto page_at = [&](int token) {
    return token < limit ? page_of(call, tile.sequence, token / kPageTokens) : -1;
  };
  int key_page, value_page;  // of the step that is loaded next, known before it is
  const auto know_pages = [&](int first) {
    key_page = page_at(first + stage.key_token);
    value_page = page_at(first + 2 * stage.value_pair);
  };
  know_pages(0);
  if constexpr (kAhead) {
    stage.load_keys(call, key_page, tile.kv_head);
    stage.load_values(call, value_page, tile.kv_head, limit);
    know_pages(kStepTokens);
  }
  for (int first = 0; first < limit; first += kStepTokens) {
    const int next = first + kStepTokens;
    if (first % kSplitTokens == 0) queries.start_split();
    __syncthreads();  // the last step's words have been read
    if (stages) {
      if constexpr (!kAhead) stage.load_keys(call, key_page, tile.kv_head);
      stage.store_keys(shared);
      if constexpr (!kAhead) stage.load_values(call, value_page, tile.kv_head, limit - first);
      stage.store_values(shared, limit - first);
    }
    __syncthreads();
    if (kAhead && next < limit) {
      stage.load_keys(call, key_page, tile.kv_head);
      stage.load_values(call, value_page, tile.kv_head, limit - next);
    }
    know_pages(kAhead ? next + kStepTokens : next);
    if (first < longest) queries.meet(shared, first, shortest, call.scale, lane);
    if (next % kSplitTokens != 0 && next < limit) continue;
    const int split = first / kSplitTokens * kSplitTokens;
#pragma unroll
    for (int h = 0; h < 2; ++h)
      if (split < queries.context[h])
        queries.finish_split(call, h, split, row_of(h), head_of(h), t);
  }
}

template <typename Words, bool kOdd, int kDim>
void launch_tiles(const CudaQueue& queue, const AttentionCall& call, bool skip_single) {
  const int group = call.heads / call.kv_heads, part = std::min(group, kTileQueries);
  const int rows = kTileQueries / part, parts = (group + part - 1) / part;
  const int64_t runs = std::min<int64_t>(rows, call.sequences);
  const dim3 grid(static_cast<unsigned>((call.rows + rows - 1) / rows),
                  static_cast<unsigned>(call.kv_heads * parts), static_cast<unsigned>(runs));
  enqueue(queue, "attention", attend_tile_kernel<Words, kOdd, kDim>, grid, kTileThreads<kDim>, call,
          rows, skip_single);
}

template <typename Words>
void launch_tiles(const CudaQueue& queue, const AttentionCall& call, bool skip_single) {
  const int dim = call.head_dim;
  if (dim % 2 != 0) return launch_tiles<Words, true, 256>(queue, call, skip_single);
  if (dim <= 32) return launch_tiles<Words, false, 32>(queue, call, skip_single);
  if (dim <= 64) return launch_tiles<Words, false, 64>(queue, call, skip_single);
  if (dim <= 80) return launch_tiles<Words, false, 80>(queue, call, skip_single);
  if (dim <= 96) return launch_tiles<Words, false, 96>(queue, call, skip_single);
  if (dim <= 128) return launch_tiles<Words, false, 128>(queue, call, skip_single);
  launch_tiles<Words, false, 256>(queue, call, skip_single);
}

}  // namespace

void attend_tiles(const CudaQueue& queue, const AttentionCall& call, KvFormat format,
                  bool skip_single) {
  if (format == KvFormat::kInt8)
    launch_tiles<Int8Words>(queue, call, skip_single);
  else
    launch_tiles<Bf16Words>(queue, call, skip_single);
}

}  // namespace tessera
