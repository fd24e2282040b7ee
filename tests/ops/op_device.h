#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda_device.h"
#include "device/device.h"
#include "tensor/tensor.h"

namespace tessera {

/// A device and one stream on it, where host vectors are viewed as tensors.
///
/// On a virtual device a view is the vector itself. A CUDA device has memory of its own: the first
/// view of a vector copies it there, and wait() brings all vectors back and ends their views. So a
/// test that runs on every kind of device keeps its vectors where they are until wait(), and views
/// them anew after it.
class OpDevice {
 public:
  explicit OpDevice(std::unique_ptr<Device> device)
      : device_(std::move(device)), stream_(device_->open_stream("test")) {}

  Device& device() { return *device_; }
  Stream& stream() { return *stream_; }

  /// Throws the Error that broke the stream.
  void wait() {
    const auto copies = std::exchange(copies_, {});
    stream_->synchronize();
    for (const auto& [host, copy] : copies)
      device_->read({static_cast<std::byte*>(host), copy.bytes}, copy.buffer.data());
  }

  Tensor view(std::vector<float>& v, const Shape& shape) { return view(v, DType::kF32, shape); }
  Tensor view(std::vector<int32_t>& v, const Shape& shape) { return view(v, DType::kI32, shape); }
  Tensor view(std::vector<uint16_t>& v, const Shape& shape) { return view(v, DType::kBF16, shape); }

  /// Where the vector's numbers are on the device; a view like the others.
  template <typename T>
  T* memory(std::vector<T>& v) {
    if (device_->info().kind != DeviceKind::kCuda || v.empty()) return v.data();
    const uint64_t bytes = v.size() * sizeof(T);
    const auto [at, is_new] = copies_.try_emplace(v.data());
    if (is_new) {
      at->second = {device_->allocate(bytes, MemoryKind::kArena, "test"), bytes};
      device_->write(at->second.buffer.data(), std::as_bytes(std::span(v)));
    }
    return static_cast<T*>(at->second.buffer.data());
  }

 private:
  struct Copy {
    DeviceBuffer buffer;
    uint64_t bytes = 0;  // of the vector
  };

  template <typename T>
  Tensor view(std::vector<T>& v, DType dtype, const Shape& shape) {
    assert(static_cast<int64_t>(v.size()) >= shape.elements());
    return {memory(v), device_.get(), dtype, shape};
  }

  std::unique_ptr<Device> device_;
  std::map<void*, Copy> copies_;    // by the vector's memory
  std::unique_ptr<Stream> stream_;  // last: it waits before the copies go
};

/// A virtual device.
class Cpu : public OpDevice {
 public:
  explicit Cpu(int threads = 1, Isa isa = best_isa())
      : OpDevice(open_virtual_device(
            {.name = "cpu:0", .budget_bytes = uint64_t{1} << 30, .threads = threads, .isa = isa})) {
  }
};

/// Those that this machine can run, the reference first.
inline std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const Isa isa :
       {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx})
    if (isa <= best_isa()) all.push_back(isa);
  return all;
}

/// What an op is judged on.
struct OpTarget {
  DeviceKind kind = DeviceKind::kVirtual;
  Isa isa = Isa::kPlain;  ///< of virtual devices

  std::string name() const {
    return kind == DeviceKind::kCuda ? "cuda" : std::string(isa_name(isa));
  }
  friend void PrintTo(const OpTarget& target, std::ostream* out) { *out << target.name(); }
};

/// All instruction sets of this machine, and CUDA.
inline std::vector<OpTarget> op_targets() {
  std::vector<OpTarget> all;
  for (const Isa isa : isas()) all.push_back({.kind = DeviceKind::kVirtual, .isa = isa});
  all.push_back({.kind = DeviceKind::kCuda});
  return all;
}

/// A test of one op on one target; on CUDA, skipped where there is none. A suite:
///   using RmsNorm = OpTest;
///   INSTANTIATE_TEST_SUITE_P(, RmsNorm, testing::ValuesIn(op_targets()), target_name);
class OpTest : public testing::TestWithParam<OpTarget> {
 protected:
  void SetUp() override {
    if (!cuda()) return;
    if (!kCudaBuilt) GTEST_SKIP() << "this build has no CUDA";
    if constexpr (kCudaBuilt)
      if (find_cuda_cards().empty()) GTEST_SKIP() << "this machine has no GPU";
  }

  bool cuda() const { return GetParam().kind == DeviceKind::kCuda; }

  /// A new one of the target's kind.
  OpDevice open(int threads = 2) const {
    if constexpr (kCudaBuilt)
      if (cuda())
        return OpDevice(open_cuda_device(
            0, {.name = "cuda:0", .kind = DeviceKind::kCuda, .budget_bytes = uint64_t{1} << 30}));
    return Cpu(threads, GetParam().isa);
  }
};

/// RmsNorm.MatchesTheFormula/avx2: by which ctest finds those of CUDA.
inline std::string target_name(const testing::TestParamInfo<OpTarget>& info) {
  return info.param.name();
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
