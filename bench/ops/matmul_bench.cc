#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <memory>
#include <new>
#include <random>
#include <vector>

#include "bench/ops/limits.h"
#include "ops/convert.h"
#include "ops/cpu.h"
#include "ops/matmul.h"

namespace tessera {
namespace {

constexpr size_t kHugePage = 2 << 20;
struct FreeAligned {
  void operator()(void* p) const { ::operator delete (p, std::align_val_t{kHugePage}); }
};
using Memory = std::unique_ptr<void, FreeAligned>;

// In huge pages, as a device's.
Memory allocate(uint64_t bytes) {
  Memory memory(::operator new (bytes, std::align_val_t{kHugePage}));
  ::madvise(memory.get(), bytes, MADV_HUGEPAGE);
  return memory;
}

std::vector<float> normal(int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> distribution;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = distribution(random);
  return numbers;
}

// Arguments: instruction set, weights' precision, rows, in, out. One thread.
void matmul(benchmark::State& state) {
  const auto isa = static_cast<Isa>(state.range(0));
  if (isa > best_isa()) return state.SkipWithError("not on this machine");
  const auto precision = static_cast<Precision>(state.range(1));
  const int64_t rows = state.range(2), in = state.range(3), out = state.range(4);
  PackedMatrix w = {.precision = precision, .out = out, .in = in};
  const Memory memory = allocate(w.bytes());
  w.data = memory.get();
  auto x = normal(rows * in);
  const auto row = normal(16 * in);
  for (int64_t o = 0; o < out; o += 16)
    pack_rows(w, o, std::min<int64_t>(16, out - o), row.data(), DType::kF32);
  const Memory y = allocate(static_cast<uint64_t>(rows * out) * 4);
  WorkerPool pool(1);
  const Tensor from(x.data(), nullptr, DType::kF32, {rows, in});
  const Tensor to(y.get(), nullptr, DType::kF32, {rows, out});
  const auto prepared_rows = static_cast<uint64_t>(rows * w.groups());
  const auto prepared_values = static_cast<uint64_t>(rows * w.prepared_in());
  const Memory values = allocate(prepared_values * 4);
  const Memory scales = allocate(prepared_rows * 4), sums = allocate(prepared_rows * 4);
  const PreparedRows prepared = {values.get(), static_cast<float*>(scales.get()),
                                 static_cast<int32_t*>(sums.get())};
  for (auto _ : state) matmul_cpu(pool, isa, from, prepared, w, {}, to);
  state.SetLabel(std::string(isa_name(isa)) + " " + std::string(precision_name(precision)));
  add_rates(state, 2 * static_cast<double>(rows * in * out), static_cast<double>(w.bytes()),
            precision);
}

constexpr auto index = [](auto value) { return static_cast<int64_t>(value); };
const std::vector<int64_t> kBest = {index(best_isa())};
const std::vector<int64_t> kEach = {index(Precision::kF32),  index(Precision::kBF16),
                                    index(Precision::kInt8), index(Precision::kInt6),
                                    index(Precision::kInt5), index(Precision::kInt4)};
const std::vector<int64_t> kLower = {index(Isa::kAvx2), index(Isa::kAvx512)};

// Prefill: many rows. Decode and small batches: weights far larger than the caches.
BENCHMARK(matmul)
    ->ArgNames({"isa", "precision", "rows", "in", "out"})
    ->ArgsProduct({kBest, kEach, {256}, {4096}, {4096}})
    ->ArgsProduct({kBest, kEach, {256}, {11008}, {4096}})
    ->ArgsProduct({kBest, kEach, {1, 2, 4, 8, 16}, {4096}, {16384}})
    ->ArgsProduct({kLower, kEach, {256}, {4096}, {4096}})
    ->ArgsProduct({kLower, kEach, {1}, {4096}, {16384}})
    ->Args({index(best_isa()), index(Precision::kBF16), 1025, 1280, 5120})
    ->Args({index(best_isa()), index(Precision::kBF16), 48, 112, 336})
    ->Unit(benchmark::kMillisecond);

// Arguments: source (f32 = 0, bf16 = 1) and target. GB/s of input, one thread.
void pack(benchmark::State& state) {
  const DType from = state.range(0) != 0 ? DType::kBF16 : DType::kF32;
  const auto to = static_cast<Precision>(state.range(1));
  PackedMatrix w = {.precision = to, .out = 2048, .in = 4096};
  const Memory memory = allocate(w.bytes());
  w.data = memory.get();
  const auto values = normal(w.out * w.in);
  std::vector<std::byte> source(static_cast<size_t>(w.out * w.in * dtype_bytes(from)));
  convert(values.data(), DType::kF32, source.data(), from, w.out * w.in);
  for (auto _ : state) pack_rows(w, 0, w.out, source.data(), from);
  state.SetLabel(std::string(dtype_name(from)) + " to " + std::string(precision_name(to)));
  add_rates(state, 0, static_cast<double>(source.size()), to);
}
BENCHMARK(pack)
    ->ArgNames({"from", "to"})
    ->ArgsProduct({{0, 1}, kEach})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tessera
