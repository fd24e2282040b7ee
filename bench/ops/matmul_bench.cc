#include <benchmark/benchmark.h>

#include <memory>
#include <new>
#include <random>
#include <vector>

#include "bench/ops/limits.h"
#include "ops/convert.h"
#include "ops/cpu.h"

namespace tessera {
namespace {

struct FreeAligned {
  void operator()(void* p) const { ::operator delete (p, std::align_val_t{64}); }
};
using Memory = std::unique_ptr<void, FreeAligned>;

Memory allocate(uint64_t bytes) {
  return Memory(::operator new (bytes, std::align_val_t{64}));
}

std::vector<float> normal(int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> distribution;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = distribution(random);
  return numbers;
}

// Arguments: instruction set, bf16 weights, rows, in, out.
void matmul(benchmark::State& state) {
  const auto isa = static_cast<Isa>(state.range(0));
  if (isa > best_isa()) return state.SkipWithError("not on this machine");
  const DType dtype = state.range(1) != 0 ? DType::kBF16 : DType::kF32;
  const int64_t rows = state.range(2), in = state.range(3), out = state.range(4);
  const uint64_t bytes = PackedMatrix::bytes(dtype, out, in);
  const Memory memory = allocate(bytes);
  const PackedMatrix w = {memory.get(), nullptr, dtype, out, in};
  auto x = normal(rows * in);
  const auto row = normal(in);
  for (int64_t o = 0; o < out; ++o) pack_rows(w, o, 1, row.data(), DType::kF32);
  std::vector<float> y(static_cast<size_t>(rows * out));
  WorkerPool pool(1);
  const Tensor from(x.data(), nullptr, DType::kF32, {rows, in});
  const Tensor to(y.data(), nullptr, DType::kF32, {rows, out});
  for (auto _ : state) matmul_cpu(pool, isa, from, w, Tensor(), false, to);
  state.SetLabel(std::string(isa_name(isa)) + " " + std::string(dtype_name(dtype)));
  add_rates(state, 2 * static_cast<double>(rows * in * out), static_cast<double>(bytes));
}

constexpr int64_t kAvx2 = static_cast<int64_t>(Isa::kAvx2);
constexpr int64_t kAvx512 = static_cast<int64_t>(Isa::kAvx512);

// Prefill: many rows. Decode and small batches: weights far larger than the caches.
BENCHMARK(matmul)
    ->ArgNames({"isa", "bf16", "rows", "in", "out"})
    ->ArgsProduct({{kAvx2, kAvx512}, {0, 1}, {256}, {4096}, {4096}})
    ->ArgsProduct({{kAvx2, kAvx512}, {0, 1}, {1, 2, 4, 8, 16}, {4096}, {16384}})
    ->Args({kAvx512, 1, 256, 11008, 4096})
    ->Args({kAvx512, 1, 1025, 1280, 5120})
    ->Args({kAvx512, 1, 48, 112, 336})
    ->Unit(benchmark::kMillisecond);

// Arguments: source and target, both f32 = 0 or bf16 = 1. GB/s of input.
void pack(benchmark::State& state) {
  const DType from = state.range(0) != 0 ? DType::kBF16 : DType::kF32;
  const DType to = state.range(1) != 0 ? DType::kBF16 : DType::kF32;
  const int64_t in = 4096, out = 2048;
  const uint64_t bytes = PackedMatrix::bytes(to, out, in);
  const Memory memory = allocate(bytes);
  const PackedMatrix w = {memory.get(), nullptr, to, out, in};
  const auto values = normal(out * in);
  std::vector<std::byte> source(static_cast<size_t>(out * in * dtype_bytes(from)));
  convert(values.data(), DType::kF32, source.data(), from, out * in);
  for (auto _ : state) pack_rows(w, 0, out, source.data(), from);
  state.SetLabel(std::string(dtype_name(from)) + " to " + std::string(dtype_name(to)));
  add_rates(state, 0, static_cast<double>(source.size()));
}
BENCHMARK(pack)->ArgNames({"from", "to"})->Args({0, 0})->Args({0, 1})->Args({1, 1});

}  // namespace
}  // namespace tessera
