// The CUDA kernels on one GPU, as shares of what it reads from memory and multiplies in its tensor
// cores, both measured first. `cuda_bench --benchmark_filter=int4` runs a part.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/ops/cuda_limits.h"
#include "device/cuda_device.h"
#include "device/cuda_stream.h"
#include "ops/matmul.h"

namespace tessera {
namespace {

// A card, and what it can do at most.
class Gpu {
 public:
  explicit Gpu(const CudaCard& card)
      : device_(open_cuda_device(
            card.index,
            {.name = "cuda:0", .kind = DeviceKind::kCuda, .budget_bytes = card.free_bytes / 2})),
        stream_(device_->open_stream("bench")),
        start_(device_->make_event()),
        end_(device_->make_event()) {
    const uint64_t bytes = uint64_t{1} << 30;
    const DeviceBuffer data = filled(bytes);
    auto* sum = static_cast<uint32_t*>(data.data());
    double operations = 0;
    for (int i = 0; i < 5; ++i) {
      const double read_s =
          seconds([&](const CudaQueue& queue) { read_all(queue, data.data(), bytes, sum); });
      read_bytes_per_s = std::max(read_bytes_per_s, static_cast<double>(bytes) / read_s);
      const double multiply_s =
          seconds([&](const CudaQueue& queue) { operations = multiply_tiles(queue, sum); });
      flops_per_s = std::max(flops_per_s, operations / multiply_s);
    }
  }

  Device& device() { return *device_; }
  Stream& stream() { return *stream_; }

  /// Of what `submit` puts into the stream.
  double timed(const std::function<void()>& submit) {
    stream_->record(*start_);
    submit();
    stream_->record(*end_);
    end_->synchronize();
    stream_->synchronize();
    return end_->time_s() - start_->time_s();
  }

  /// Memory with random bytes: zeros would cost less power, and so more than they should be worth.
  DeviceBuffer filled(uint64_t bytes) {
    DeviceBuffer buffer = device_->allocate(bytes, MemoryKind::kWeights, "bench");
    std::vector<uint32_t> random((16 << 20) / 4);
    uint32_t state = 1;
    for (uint32_t& word : random) word = (state = state * 1664525 + 1013904223) & 0xbfbfbfbf;
    const auto source = std::as_bytes(std::span(random));
    for (uint64_t at = 0; at < bytes; at += source.size())
      device_->write(static_cast<std::byte*>(buffer.data()) + at,
                     source.first(std::min<uint64_t>(source.size(), bytes - at)));
    return buffer;
  }

  double read_bytes_per_s = 0, flops_per_s = 0;

 private:
  double seconds(const std::function<void(const CudaQueue&)>& body) {
    return timed([&] { static_cast<CudaStream&>(*stream_).launch(body); });
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Event> start_, end_;
};

struct Size {
  int64_t rows, in, out;
};

// Several matrices in turn, so that none is in the L2 cache when it is read.
void matmul_bench(benchmark::State& state, Gpu& gpu, Precision precision, const Size& size) {
  constexpr uint64_t kBeyondCaches = uint64_t{512} << 20;
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
  gpu.timed(once);
  double seconds = 0;
  for (auto _ : state) {
    const double time_s = gpu.timed(once) / static_cast<double>(buffers.size());
    state.SetIterationTime(time_s);
    seconds += time_s;
  }
  const auto runs = static_cast<double>(state.iterations());
  const double read = static_cast<double>(bytes) * runs / seconds;
  const double flops = 2 * static_cast<double>(size.rows * size.in * size.out) * runs / seconds;
  state.counters["GB/s"] = read / 1e9;
  state.counters["of_read"] = read / gpu.read_bytes_per_s;
  state.counters["TFLOP/s"] = flops / 1e12;
  state.counters["of_mma"] = flops / gpu.flops_per_s;
}

// Yi-34B's matrices: decode, small batches, a prompt with a picture.
void register_matmul(Gpu& gpu) {
  for (const Precision precision :
       {Precision::kBF16, Precision::kInt8, Precision::kInt6, Precision::kInt5, Precision::kInt4})
    for (const int64_t rows : {1, 2, 4, 8, 16, 17, 32, 64, 256, 1100})
      for (const auto& [in, out] : {std::pair<int64_t, int64_t>{7168, 9216},
                                    {7168, 7168},
                                    {7168, 40960},
                                    {20480, 7168},
                                    {7168, 64000}}) {
        const Size size = {rows, in, out};
        benchmark::RegisterBenchmark(
            ("matmul/" + std::string(precision_name(precision)) + "/" + std::to_string(rows) + "/" +
             std::to_string(in) + "/" + std::to_string(out))
                .c_str(),
            [&gpu, precision, size](benchmark::State& state) {
              matmul_bench(state, gpu, precision, size);
            })
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
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
  tessera::Gpu gpu(cards.front());
  std::printf("%s: reads %.0f GB/s, multiplies bf16 tiles at %.0f TFLOP/s\n",
              cards.front().name.c_str(), gpu.read_bytes_per_s / 1e9, gpu.flops_per_s / 1e12);
  tessera::register_matmul(gpu);
  benchmark::RunSpecifiedBenchmarks();
}
