#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "device/device.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace tessera {

/// A virtual device and one stream on it. Its memory is the host's, so that a vector can be viewed
/// as a tensor on it.
class Cpu {
 public:
  explicit Cpu(int threads = 1, Isa isa = best_isa())
      : device_(open_virtual_device(
            {.name = "cpu:0", .budget_bytes = uint64_t{1} << 30, .threads = threads, .isa = isa})),
        stream_(device_->open_stream("test")) {}

  Device& device() { return *device_; }
  Stream& stream() { return *stream_; }
  void wait() { stream_->synchronize(); }

  Tensor view(std::vector<float>& v, const Shape& shape) { return view(v, DType::kF32, shape); }
  Tensor view(std::vector<int32_t>& v, const Shape& shape) { return view(v, DType::kI32, shape); }
  Tensor view(std::vector<uint16_t>& v, const Shape& shape) { return view(v, DType::kBF16, shape); }

 private:
  template <typename T>
  Tensor view(std::vector<T>& v, DType dtype, const Shape& shape) {
    assert(static_cast<int64_t>(v.size()) >= shape.elements());
    return {v.data(), device_.get(), dtype, shape};
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

/// Those that this machine can run, the reference first.
inline std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16})
    if (isa <= best_isa()) all.push_back(isa);
  return all;
}

/// Normally distributed numbers, the same for the same seed.
inline std::vector<float> normal(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = distribution(random);
  return numbers;
}

}  // namespace tessera
