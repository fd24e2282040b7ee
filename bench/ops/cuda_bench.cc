// The CUDA kernels on one GPU, as shares of what it reads from memory and multiplies in its tensor
// cores, both measured first. `cuda_bench --benchmark_filter=int4` runs a part. Many rows of bf16
// are timed a second time as bf16_cublaslt, where that library is found.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "bench/ops/bench_gpu.h"
#include "ops/matmul.h"
#include "tessera/error.h"

namespace tessera {
namespace {

struct Size {
  int64_t rows, in, out;
};

// Several matrices in turn, so that none is in the L2 cache when it is read.
void matmul_bench(benchmark::State& state, BenchGpu& gpu, Precision precision, const Size& size) {
  const uint64_t bytes = PackedMatrix::bytes(precision, size.out, size.in);
  std::vector<DeviceBuffer> buffers;
  do {
    buffers.push_back(gpu.filled(bytes));
  } while (buffers.size() * bytes < kBeyondCaches);
  const DeviceBuffer x = gpu.filled(static_cast<uint64_t>(size.rows * size.in) * 4);
  const DeviceBuffer y = gpu.filled(static_cast<uint64_t>(size.rows * size.out) * 4);
  const DeviceBuffer room = gpu.device().allocate(
      static_cast<uint64_t>(size.rows) * static_cast<uint64_t>(size.in + 1024) * 4,
      MemoryKind::kArena, "bench");
  const Tensor from(x.data(), &gpu.device(), DType::kF32, {size.rows, size.in});
  Tensor to(y.data(), &gpu.device(), DType::kF32, {size.rows, size.out});

  const auto once = [&] {
    for (const DeviceBuffer& buffer : buffers) {
      Arena arena(room);
      matmul(gpu.stream(), arena, from,
             {buffer.data(), &gpu.device(), precision, size.out, size.in}, {}, to);
    }
  };
  const double seconds = gpu.time_iterations(state, buffers.size(), once);
  gpu.add_rates(state, static_cast<double>(bytes),
                2 * static_cast<double>(size.rows * size.in * size.out), seconds);
}

// Yi-34B's matrices.
void register_matmul(BenchGpu& gpu, const std::string& name, Precision precision,
                     std::initializer_list<int64_t> row_counts) {
  for (const int64_t rows : row_counts)
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{7168, 9216},
                                  {7168, 7168},
                                  {7168, 40960},
                                  {20480, 7168},
                                  {7168, 64000}}) {
      const Size size = {rows, in / kSmaller, out / kSmaller};
      register_on_gpu("matmul/" + name + "/" + std::to_string(rows) + "/" +
                          std::to_string(size.in) + "/" + std::to_string(size.out),
                      [&gpu, precision, size](benchmark::State& state) {
                        matmul_bench(state, gpu, precision, size);
                      });
    }
}

// Decode, small batches, a prompt with a picture.
void register_matmuls(BenchGpu& gpu) {
  for (const Precision precision :
       {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
    register_matmul(gpu, std::string(precision_name(precision)), precision,
                    {1, 2, 4, 8, 16, 17, 32, 64, 256, 1100});
}

// The same card with cuBLASLt, where there is that.
void open_with_library(const CudaCard& card, std::optional<BenchGpu>& gpu) {
  try {
    gpu.emplace(card, true);
  } catch (const Error& e) {
    std::printf("no bf16_cublaslt: %s\n", e.what());
  }
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto cards = tessera::find_cuda_cards();
  if (cards.empty()) {
    std::puts("skipped: this machine has no GPU");
    return 0;
  }
  tessera::BenchGpu gpu(cards.front());
  std::printf("%s: reads %.0f GB/s, multiplies bf16 tiles at %.0f TFLOP/s\n",
              cards.front().name.c_str(), gpu.read_bytes_per_s / 1e9, gpu.flops_per_s / 1e12);
  benchmark::AddCustomContext("card", cards.front().name);
  benchmark::AddCustomContext("read_bytes_per_s", std::to_string(gpu.read_bytes_per_s));
  benchmark::AddCustomContext("flops_per_s", std::to_string(gpu.flops_per_s));
  tessera::register_copies(gpu);
  tessera::register_matmuls(gpu);
  std::optional<tessera::BenchGpu> with_library;
  tessera::open_with_library(cards.front(), with_library);
  if (with_library)
    tessera::register_matmul(*with_library, "bf16_cublaslt", tessera::Precision::kBF16,
                             {17, 32, 64, 256, 1100});
  tessera::register_attention(gpu);
  benchmark::RunSpecifiedBenchmarks();
}
