#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "bench/ops/limits.h"
#include "ops/cpu.h"

namespace tessera {
namespace {

// Arguments: instruction set, format of the pages, rows, context of the last row. The shape of
// Yi-34B on two of its eight kv heads: 7 query heads each, head_dim 128.
void paged_attention(benchmark::State& state) {
  const auto isa = static_cast<Isa>(state.range(0));
  if (isa > best_isa()) return state.SkipWithError("not on this machine");
  const auto format = static_cast<KvFormat>(state.range(1));
  const int64_t rows = state.range(2), context = state.range(3), kv_heads = 2, heads = 14,
                dim = 128;
  const int64_t blocks = (context + kBlockTokens - 1) / kBlockTokens;
  const uint64_t bytes = KvPages::bytes(format, blocks, kv_heads, dim);
  constexpr size_t kLine = 64;                                    // as devices allocate
  std::vector<std::byte> memory(bytes + kLine, std::byte{0x3c});  // 0.011 in bf16 and f32
  void* aligned = memory.data();
  size_t room = memory.size();
  std::align(kLine, bytes, aligned, room);
  const KvPages pages = {aligned, nullptr, format, blocks, kv_heads, dim};

  std::vector<int32_t> ids(static_cast<size_t>(blocks)), positions(static_cast<size_t>(rows));
  std::vector<int32_t> sequence(positions.size(), 0);
  std::iota(ids.begin(), ids.end(), 0);
  std::iota(positions.begin(), positions.end(), static_cast<int32_t>(context - rows));
  const BatchRows batch = {.positions = {positions.data(), nullptr, DType::kI32, {rows}},
                           .sequence = {sequence.data(), nullptr, DType::kI32, {rows}},
                           .blocks = {ids.data(), nullptr, DType::kI32, {1, blocks}},
                           .max_context = context};
  std::vector<float> q(static_cast<size_t>(rows * heads * dim), 0.5F), out(q.size());
  const Tensor from(q.data(), nullptr, DType::kF32, {rows, heads * dim});
  const Tensor to(out.data(), nullptr, DType::kF32, {rows, heads * dim});
  WorkerPool pool(1);
  for (auto _ : state) paged_attention_cpu(pool, isa, from, pages, batch, heads, 0.088F, to);
  const auto context_tokens = static_cast<double>(rows * (2 * context - rows + 1) / 2);
  state.SetLabel(std::string(isa_name(isa)) + " " + std::string(kv_format_name(format)));
  add_rates(state, 4 * context_tokens * static_cast<double>(heads * dim),
            static_cast<double>(bytes),
            format == KvFormat::kF32 ? Precision::kF32 : Precision::kBF16);
}

const std::vector<int64_t> kIsas = {
    static_cast<int64_t>(Isa::kAvx2), static_cast<int64_t>(Isa::kAvx512),
    static_cast<int64_t>(Isa::kAvx512Bf16), static_cast<int64_t>(best_isa())};

const std::vector<int64_t> kFormats = {0, 1, 2};  // f32, bf16, int8

BENCHMARK(paged_attention)
    ->ArgNames({"isa", "format", "rows", "context"})
    ->ArgsProduct({kIsas, kFormats, {1}, {4096}})
    ->ArgsProduct({kIsas, kFormats, {1}, {131072}})  // from memory
    ->ArgsProduct({kIsas, kFormats, {1100}, {1100}})
    ->Unit(benchmark::kMillisecond);

// The vision tower of Yi-VL at 448 pixels, two of its 16 heads.
void full_attention(benchmark::State& state) {
  const auto isa = static_cast<Isa>(state.range(0));
  if (isa > best_isa()) return state.SkipWithError("not on this machine");
  const DType dtype = state.range(1) != 0 ? DType::kBF16 : DType::kF32;
  const KvFormat format = dtype == DType::kF32 ? KvFormat::kF32 : KvFormat::kBF16;
  const int64_t tokens = 1025, heads = 2, width = heads * 80;
  std::vector<float> qkv(static_cast<size_t>(tokens * 3 * width)), out(qkv.size() / 3);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& x : qkv) x = normal(random);
  const Tensor all(qkv.data(), nullptr, DType::kF32, {tokens, 3 * width});
  const Tensor to(out.data(), nullptr, DType::kF32, {tokens, width});
  const int64_t blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
  std::vector<std::byte> memory(KvPages::bytes(format, blocks, heads, 80));
  const KvPages pages = {memory.data(), nullptr, format, blocks, heads, 80};
  std::vector<int32_t> ids(static_cast<size_t>(blocks));
  WorkerPool pool(1);
  for (auto _ : state)
    full_attention_cpu(pool, isa, all.slice_cols(0, width), all.slice_cols(width, width),
                       all.slice_cols(2 * width, width), pages,
                       {ids.data(), nullptr, DType::kI32, {blocks}}, 0.1118F, to);
  state.SetLabel(std::string(isa_name(isa)) + " " + std::string(dtype_name(dtype)));
  add_rates(state, 4 * static_cast<double>(tokens * tokens * width), 0,
            dtype == DType::kF32 ? Precision::kF32 : Precision::kBF16);
}
BENCHMARK(full_attention)
    ->ArgNames({"isa", "bf16"})
    ->ArgsProduct({kIsas, {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tessera
