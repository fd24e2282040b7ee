#include "ops/convert.h"
#include "ops/cpu.h"

namespace tessera {

void add_cpu(WorkerPool& pool, const Tensor& x, const Tensor& y, const Tensor& out) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  const bool same_row = y.shape[0] == 1;
  pool.for_each(rows, [&](int64_t r) {
    const float *a = x.f32(r), *b = y.f32(same_row ? 0 : r);
    float* to = out.f32(r);
    for (int64_t c = 0; c < cols; ++c) to[c] = a[c] + b[c];
  });
}

void copy_rows_cpu(WorkerPool& pool, const Tensor& x, const Tensor& out) {
  const int64_t rows = x.shape[0], cols = x.shape[1];
  pool.for_each(rows, [&](int64_t r) {
    const void* from =
        x.dtype == DType::kF32 ? static_cast<const void*>(x.f32(r)) : x.row<uint16_t>(r);
    convert(from, x.dtype, out.f32(r), DType::kF32, cols);
  });
}

}  // namespace tessera
