#include "ops/attention.h"

#include <algorithm>
#include <string>

#include "base/units.h"
#include "ops/checks.h"
#include "ops/cpu.h"
#include "ops/cuda.h"
#include "ops/launch.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void check_heads(const Checks& check, int64_t heads, int64_t kv_heads, int64_t head_dim) {
  check.that(heads >= 1 && heads % kv_heads == 0, "heads",
             "a multiple of " + std::to_string(kv_heads) + " kv heads", heads);
  check.that(head_dim >= 1 && head_dim <= kMaxHeadDim, "head_dim",
             "1 to " + std::to_string(kMaxHeadDim), head_dim);
}

}  // namespace

void paged_attention(Stream& stream, const Tensor& q, const KvPages& pages, const BatchRows& rows,
                     int64_t heads, float scale, Tensor& out) {
  const Checks check("paged_attention", stream);
  check.pages("pages", pages);
  check_heads(check, heads, pages.kv_heads, pages.head_dim);
  check.matrix("q", q, {DType::kF32});
  check.tensor("q", q, {DType::kF32}, {q.shape[0], heads * pages.head_dim});
  check.tensor("out", out, {DType::kF32}, q.shape);
  check.batch_rows(rows, q.shape[0]);

  // Each query meets each token of its context twice, a multiply and an add each; the keys and
  // values of each sequence are read once, the queries read and written.
  const int64_t count = q.shape[0];
  const int64_t context = rows.context_tokens > 0 ? rows.context_tokens : count * rows.max_context;
  const int64_t cached = std::min(rows.blocks.shape[0], count) * rows.max_context;
  const auto token_bytes = static_cast<double>(pages.block_bytes()) / kBlockTokens;
  const Cost cost = {
      .flops = 4 * static_cast<double>(context) * static_cast<double>(heads * pages.head_dim),
      .bytes =
          static_cast<double>(cached) * token_bytes + 8 * static_cast<double>(q.shape.elements())};
  const Isa isa = stream.device().info().isa;
  launch(
      stream, cost,
      [=](WorkerPool& pool) { paged_attention_cpu(pool, isa, q, pages, rows, heads, scale, out); },
      [=](auto& queue) { paged_attention_cuda(queue, q, pages, rows, heads, scale, out); });
}

void full_attention(Stream& stream, Arena& arena, const Tensor& q, const Tensor& k, const Tensor& v,
                    DType dtype, int64_t heads, float scale, Tensor& out) {
  const Checks check("full_attention", stream);
  check.matrix("q", q, {DType::kF32});
  check.tensor("k", k, {DType::kF32}, q.shape);
  check.tensor("v", v, {DType::kF32}, q.shape);
  check.tensor("out", out, {DType::kF32}, q.shape);
  check.that(heads >= 1 && q.shape[1] % heads == 0, "heads",
             "a divisor of " + std::to_string(q.shape[1]) + " columns", heads);
  check_heads(check, heads, heads, q.shape[1] / heads);
  if (dtype != DType::kF32 && dtype != DType::kBF16)
    throw Error({.where = "full_attention",
                 .what = "dtype",
                 .expected = "f32 or bf16",
                 .found = std::string(dtype_name(dtype))});

  const Arena::Scope scope(arena);
  const int64_t count = divide_up(q.shape[0], kBlockTokens);
  KvPages pages = {.device = &stream.device(),
                   .format = dtype == DType::kF32 ? KvFormat::kF32 : KvFormat::kBF16,
                   .blocks = count,
                   .kv_heads = heads,
                   .head_dim = q.shape[1] / heads};
  pages.data = arena.take(dtype, {count, pages.block_bytes() / dtype_bytes(dtype)}).data;
  check.pages("pages", pages);
  const Tensor blocks = arena.take(DType::kI32, {count});

  const auto elements = static_cast<double>(q.shape.elements());
  const Cost cost = {.flops = 4 * elements * static_cast<double>(q.shape[0]),
                     .bytes = 16 * elements};
  const Isa isa = stream.device().info().isa;
  launch(
      stream, cost,
      [=](WorkerPool& pool) { full_attention_cpu(pool, isa, q, k, v, pages, blocks, scale, out); },
      [=](auto& queue) { full_attention_cuda(queue, q, k, v, pages, blocks, scale, out); });
}

}  // namespace tessera
