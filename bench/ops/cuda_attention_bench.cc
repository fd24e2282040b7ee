#include <cmath>
#include <numeric>
#include <random>
#include <string>

#include "bench/ops/bench_gpu.h"
#include "ops/attention.h"

namespace tessera {
namespace {

// Rows in a batch: every sequence's last `rows` of `context` tokens.
struct AttentionSize {
  KvFormat format;
  int64_t sequences, rows, context;
};

std::string name_of(const AttentionSize& size) {
  return "attention/" + std::string(kv_format_name(size.format)) + "/" +
         std::to_string(size.sequences) + "x" + std::to_string(size.rows) + "/" +
         std::to_string(size.context);
}

DeviceBuffer on_device(BenchGpu& gpu, const void* from, uint64_t bytes) {
  DeviceBuffer buffer = gpu.device().allocate(bytes, MemoryKind::kArena, "bench");
  gpu.device().write(buffer.data(), {static_cast<const std::byte*>(from), bytes});
  return buffer;
}

DeviceBuffer numbers(BenchGpu& gpu, const std::vector<int32_t>& values) {
  return on_device(gpu, values.data(), values.size() * sizeof(int32_t));
}

// Keys and values as random as queries: equal ones would cost less power, and so more than they
// should be worth.
DeviceBuffer normals(BenchGpu& gpu, int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = normal(random);
  return on_device(gpu, values.data(), values.size() * sizeof(float));
}

// Several layers in turn, so that no keys are in the L2 cache when they are read.
void paged_attention_bench(benchmark::State& state, BenchGpu& gpu, const AttentionSize& size) {
  const int64_t heads = 56, kv_heads = 8, dim = 128, width = kv_heads * dim;
  const int64_t blocks = (size.context + kBlockTokens - 1) / kBlockTokens;
  const int64_t pages = size.sequences * blocks, rows = size.sequences * size.rows;
  std::vector<int32_t> positions, sequence, ids(static_cast<size_t>(pages));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), std::mt19937(1));
  for (int64_t s = 0; s < size.sequences; ++s)
    for (int64_t r = 0; r < size.rows; ++r) {
      positions.push_back(static_cast<int32_t>(size.context - size.rows + r));
      sequence.push_back(static_cast<int32_t>(s));
    }
  const DeviceBuffer positions_on = numbers(gpu, positions), sequence_on = numbers(gpu, sequence),
                     ids_on = numbers(gpu, ids);
  const auto of_sequence = [&](const DeviceBuffer& positions_of, const DeviceBuffer& sequence_of,
                               int64_t count) {
    return BatchRows{
        .positions = {positions_of.data(), &gpu.device(), DType::kI32, {count}},
        .sequence = {sequence_of.data(), &gpu.device(), DType::kI32, {count}},
        .blocks = {ids_on.data(), &gpu.device(), DType::kI32, {size.sequences, blocks}},
        .max_context = size.context};
  };

  std::vector<int32_t> all(static_cast<size_t>(size.context)), which(all.size());
  std::iota(all.begin(), all.end(), 0);
  const DeviceBuffer all_on = numbers(gpu, all), k = normals(gpu, size.context * width),
                     v = normals(gpu, size.context * width);
  const Tensor keys(k.data(), &gpu.device(), DType::kF32, {size.context, width});
  const Tensor values(v.data(), &gpu.device(), DType::kF32, {size.context, width});
  const uint64_t bytes = KvPages::bytes(size.format, pages, kv_heads, dim);
  std::vector<DeviceBuffer> memory;
  std::vector<KvPages> layers;
  do {
    memory.push_back(gpu.device().allocate(bytes, MemoryKind::kKv, "bench"));
    layers.push_back({memory.back().data(), &gpu.device(), size.format, pages, kv_heads, dim});
    for (int64_t s = 0; s < size.sequences; ++s) {
      which.assign(which.size(), static_cast<int32_t>(s));
      const DeviceBuffer which_on = numbers(gpu, which);
      kv_append(gpu.stream(), keys, values, of_sequence(all_on, which_on, size.context),
                layers.back());
      gpu.stream().synchronize();
    }
  } while (memory.size() * bytes < kBeyondCaches);

  const DeviceBuffer q = normals(gpu, rows * heads * dim), out = normals(gpu, rows * heads * dim);
  const Tensor from(q.data(), &gpu.device(), DType::kF32, {rows, heads * dim});
  Tensor to(out.data(), &gpu.device(), DType::kF32, {rows, heads * dim});
  const auto once = [&] {
    for (const KvPages& layer : layers)
      paged_attention(gpu.stream(), from, layer, of_sequence(positions_on, sequence_on, rows),
                      heads, 0.0884F, to);
  };
  const double seconds = gpu.time_iterations(state, layers.size(), once);
  const int64_t contexts = rows * size.context - size.sequences * size.rows * (size.rows - 1) / 2;
  gpu.add_rates(state, static_cast<double>(bytes), 4 * static_cast<double>(contexts * heads * dim),
                seconds);
}

// The vision tower of Yi-VL at 448 pixels.
void full_attention_bench(benchmark::State& state, BenchGpu& gpu) {
  const int64_t tokens = 1025 / kSmaller, heads = 16, width = heads * 80;
  const DeviceBuffer qkv = normals(gpu, tokens * 3 * width), out = normals(gpu, tokens * width);
  const DeviceBuffer room = gpu.device().allocate(64 << 20, MemoryKind::kArena, "bench");
  const Tensor all(qkv.data(), &gpu.device(), DType::kF32, {tokens, 3 * width});
  Tensor to(out.data(), &gpu.device(), DType::kF32, {tokens, width});
  const auto once = [&] {
    Arena arena(room);
    full_attention(gpu.stream(), arena, all.slice_cols(0, width), all.slice_cols(width, width),
                   all.slice_cols(2 * width, width), DType::kBF16, heads, 0.1118F, to);
  };
  const double seconds = gpu.time_iterations(state, 1, once);
  gpu.add_rates(state, 16 * static_cast<double>(tokens * width),
                4 * static_cast<double>(tokens * tokens * width), seconds);
}

}  // namespace

void register_attention(BenchGpu& gpu) {
  for (const KvFormat format : {KvFormat::kBF16, KvFormat::kInt8})
    for (const AttentionSize size : {AttentionSize{format, 1, 1, 4096},
                                     {format, 4, 1, 4096},
                                     {format, 16, 1, 4096},
                                     {format, 64, 1, 1024},
                                     {format, 1, 1, 32768},
                                     {format, 1, 16, 4096},
                                     {format, 1, 256, 4096},
                                     {format, 1, 1100, 1100},
                                     {format, 1, 1024, 4096}}) {
      const AttentionSize smaller = {size.format, size.sequences,
                                     std::max<int64_t>(1, size.rows / kSmaller),
                                     size.context / kSmaller};
      register_on_gpu(name_of(smaller), [&gpu, smaller](benchmark::State& state) {
        paged_attention_bench(state, gpu, smaller);
      });
    }
  register_on_gpu("attention/picture",
                  [&gpu](benchmark::State& state) { full_attention_bench(state, gpu); });
}

}  // namespace tessera
