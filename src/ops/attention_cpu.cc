#include <algorithm>

#include "base/units.h"
#include "ops/attention_tile.h"
#include "ops/cpu.h"
#include "ops/float_math.h"
#include "ops/kv_layout.h"
#include "ops/row_shares.h"

namespace tessera {
namespace {

void attend(Isa isa, const AttentionTile& tile) {
  const KvFormat format = tile.from.format;
  if (isa >= Isa::kAmx && format == KvFormat::kBF16) return attend_amx_bf16(tile);
  if (isa >= Isa::kAvx512Bf16 && format == KvFormat::kBF16) return attend_avx512_bf16(tile);
  if (isa >= Isa::kAvx512Vnni && format == KvFormat::kInt8) return attend_avx512_vnni(tile);
  switch (isa) {
    case Isa::kPlain:
      return attend_plain(tile);
    case Isa::kAvx2:
      return attend_avx2(tile);
    case Isa::kAvx512:
    case Isa::kAvx512Vnni:
    case Isa::kAvx512Bf16:
    case Isa::kAmx:
      return attend_avx512(tile);
  }
}

KeysAndValues kv_head_of(const KvPages& pages, int64_t kv_head, const int32_t* blocks) {
  const bool scaled = pages.format == KvFormat::kInt8;
  return {.keys = kv_keys(pages, 0, kv_head),
          .values = kv_values(pages, 0, kv_head),
          .key_scales = scaled ? kv_key_scales(pages, 0, kv_head) : nullptr,
          .value_scales = scaled ? kv_value_scales(pages, 0, kv_head) : nullptr,
          .blocks = blocks,
          .stride = pages.block_bytes(),
          .format = pages.format};
}

void push(AttentionTile& tile, const Tensor& q, const Tensor& out, int64_t row, int64_t head,
          int64_t context) {
  tile.q[tile.queries] = q.f32(row) + head * tile.head_dim;
  tile.out[tile.queries] = out.f32(row) + head * tile.head_dim;
  tile.context[tile.queries] = context;
  ++tile.queries;
}

constexpr int64_t kShareRows = 32;  // at least: fewer leave keys and values to one thread

}  // namespace

// A task is one kv head with up to 32 of its queries: the heads of its group (a part of them where
// the group is larger) times consecutive rows.
void paged_attention_cpu(WorkerPool& pool, Isa isa, const Tensor& q, const KvPages& pages,
                         const BatchRows& rows, int64_t heads, float scale, const Tensor& out) {
  check_rows("paged_attention", rows, pages);
  const int64_t count = q.shape[0], dim = pages.head_dim;
  const int64_t group = heads / pages.kv_heads;
  const int64_t part = std::min(group, kTileQueries), parts = divide_up(group, part);
  const RowShares shares = share_rows(count, pool.threads(), kShareRows, kTileQueries / part, 1);

  const int64_t kinds = pages.kv_heads * parts;
  pool.for_each(shares.tasks(kinds), [&](int64_t index) {
    const RowShares::Task task = shares.task(index, kinds);
    const int64_t kv_head = task.kind / parts;
    const int64_t first_head = task.kind % parts * part;
    const int64_t last_head = std::min(first_head + part, group);

    for (int64_t row = task.first; row < task.end;) {
      const int32_t sequence = rows.sequence.i32()[row];
      AttentionTile tile;
      tile.head_dim = dim;
      tile.scale = scale * kLog2E;
      tile.from = kv_head_of(pages, kv_head, rows.blocks.i32(sequence));
      for (int64_t before = -1; row < task.end && rows.sequence.i32()[row] == sequence; ++row) {
        const int64_t context = rows.positions.i32()[row] + 1;
        if (context <= before) break;  // an unusual order of rows: a new tile
        for (int64_t head = first_head; head < last_head; ++head)
          push(tile, q, out, row, kv_head * group + head, context);
        before = context;
      }
      attend(isa, tile);
    }
  });
}

void full_attention_cpu(WorkerPool& pool, Isa isa, const Tensor& q, const Tensor& k,
                        const Tensor& v, const KvPages& pages, const Tensor& blocks, float scale,
                        const Tensor& out) {
  const int64_t tokens = q.shape[0], dim = pages.head_dim, heads = pages.kv_heads;
  pool.for_each(pages.blocks, [&](int64_t block) {
    blocks.i32()[block] = static_cast<int32_t>(block);
    const int64_t row = block * kBlockTokens;
    for (int64_t head = 0; head < heads; ++head)
      kv_write(pages, block, head,
               {.key = k.f32(row) + head * dim,
                .value = v.f32(row) + head * dim,
                .key_stride = k.row_stride,
                .value_stride = v.row_stride,
                .count = std::min(kBlockTokens, tokens - row)});
  });
  const RowShares shares = share_rows(tokens, pool.threads(), kShareRows, kTileQueries, 1);
  pool.for_each(shares.tasks(heads), [&](int64_t index) {
    const auto [first, end, head, last] = shares.task(index, heads);
    if (first == end) return;
    AttentionTile tile;
    tile.head_dim = dim;
    tile.scale = scale * kLog2E;
    tile.from = kv_head_of(pages, head, blocks.i32());
    for (int64_t row = first; row < end; ++row) push(tile, q, out, row, head, tokens);
    attend(isa, tile);
  });
}

}  // namespace tessera
