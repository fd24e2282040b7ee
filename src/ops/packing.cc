#include "ops/packing.h"

#include "ops/convert.h"
#include "ops/launch.h"
#include "ops/pack_cuda.h"
#include "ops/unpack_cuda.h"

namespace tessera {
namespace {

Cost bytes_moved(int64_t count, DType from, double to_bytes) {
  return {.bytes =
              static_cast<double>(count) * (static_cast<double>(dtype_bytes(from)) + to_bytes)};
}

}  // namespace

void pack_rows_on(Stream& stream, const PackedMatrix& to, int64_t first_row, int64_t rows,
                  const void* from, DType from_dtype) {
  launch(
      stream, bytes_moved(rows * to.in, from_dtype, to.format().bits / 8.0),
      [=](WorkerPool&) { pack_rows(to, first_row, rows, from, from_dtype); },
      [=](auto& queue) { pack_rows_cuda(queue, to, first_row, rows, from, from_dtype); });
}

void pack_padding_on(Stream& stream, const PackedMatrix& to) {
  launch(
      stream, {.bytes = static_cast<double>(to.panel_bytes())},
      [=](WorkerPool&) { pack_padding(to); }, [=](auto& queue) { pack_padding_cuda(queue, to); });
}

void convert_on(Stream& stream, const void* from, DType from_dtype, void* to, DType to_dtype,
                int64_t count) {
  launch(
      stream, bytes_moved(count, from_dtype, static_cast<double>(dtype_bytes(to_dtype))),
      [=](WorkerPool&) { convert(from, from_dtype, to, to_dtype, count); },
      [=](auto& queue) { convert_cuda(queue, from, from_dtype, to, to_dtype, count); });
}

bool stands_in_rows(const PackedMatrix& matrix) {
  return matrix.device->info().kind == DeviceKind::kCuda && !matrix.format().integer;
}

void unpack_panels_on(Stream& stream, const PackedMatrix& to, int64_t first_panel, int64_t panels,
                      const void* from) {
  assert(stands_in_rows(to));
  if constexpr (kCudaBuilt)
    static_cast<CudaStream&>(stream).launch(
        [&](const CudaQueue& queue) { unpack_panels_cuda(queue, to, first_panel, panels, from); });
}

}  // namespace tessera
