#include "bench/ops/bench_gpu.h"

namespace tessera {
namespace {

struct CopyKind {
  const char* name;
  bool from_host, to_host;
};

// As pipelines copy: through a stream, host memory pinned. Small ones are the rows of a decode
// step, large ones pieces of weights.
void copy_bench(benchmark::State& state, BenchGpu& gpu, const CopyKind& kind, uint64_t bytes) {
  Device& device = gpu.device();
  const DeviceBuffer source = gpu.filled(bytes), sink = gpu.filled(bytes);
  const HostBuffer host = device.allocate_host(bytes);
  const auto once = [&] {
    gpu.stream().copy(kind.to_host ? host.data() : sink.data(), kind.to_host ? nullptr : &device,
                      kind.from_host ? host.data() : source.data(),
                      kind.from_host ? nullptr : &device, bytes);
  };
  const double seconds = gpu.time_iterations(state, 1, once);
  const double rate =
      static_cast<double>(bytes) * static_cast<double>(state.iterations()) / seconds;
  state.counters["GB/s"] = rate / 1e9;
  // Within the card each byte is read and written; beyond it the link is the limit.
  if (!kind.from_host && !kind.to_host) state.counters["of_read"] = 2 * rate / gpu.read_bytes_per_s;
}

}  // namespace

void register_copies(BenchGpu& gpu) {
  for (const CopyKind kind : {CopyKind{"host_to_device", true, false},
                              {"device_to_host", false, true},
                              {"device_to_device", false, false}})
    for (const int64_t bytes : {int64_t{28} << 10, int64_t{16} << 20, int64_t{256} << 20})
      register_on_gpu(std::string("copy/") + kind.name + "/" + std::to_string(bytes / kSmaller),
                      [&gpu, kind, bytes](benchmark::State& state) {
                        copy_bench(state, gpu, kind, static_cast<uint64_t>(bytes / kSmaller));
                      });
}

}  // namespace tessera
