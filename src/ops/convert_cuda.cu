#include <string>

#include "cuda/kernel.cuh"
#include "ops/enqueue.cuh"
#include "ops/numbers.cuh"
#include "ops/pack_cuda.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int kConvertThreads = 256;
constexpr int64_t kPerThread = 4;

__global__ void __launch_bounds__(kConvertThreads)
    convert_kernel(const void* from, DType from_dtype, void* to, DType to_dtype, int64_t count) {
  int64_t i = blockIdx.x * (kPerThread * kConvertThreads) + threadIdx.x;
#pragma unroll
  for (int64_t n = 0; n < kPerThread; ++n, i += kConvertThreads)
    if (i < count) convert_number(from, from_dtype, i, to, to_dtype, i);
}

bool is_number(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBF16;
}

}  // namespace

void convert_cuda(const CudaQueue& queue, const void* from, DType from_dtype, void* to,
                  DType to_dtype, int64_t count) {
  if (!is_number(to_dtype) || !(is_number(from_dtype) || from_dtype == DType::kF16))
    throw Error({.where = "convert",
                 .expected = "f32, bf16 or f16 to f32 or bf16",
                 .found = std::string(dtype_name(from_dtype)) + " to " +
                          std::string(dtype_name(to_dtype))});
  constexpr int64_t kPerBlock = kPerThread * kConvertThreads;
  const auto blocks = static_cast<unsigned>((count + kPerBlock - 1) / kPerBlock);
  enqueue(queue, "convert", convert_kernel, blocks, kConvertThreads, from, from_dtype, to, to_dtype,
          count);
}

}  // namespace tessera
