#include "tensor/tensor.h"

#include <fmt/format.h>

namespace tessera {

std::string describe(DType dtype, const Shape& shape) {
  std::string text = fmt::format("{} [", dtype_name(dtype));
  for (int d = 0; d < shape.rank(); ++d) text += fmt::format("{}{}", d ? ", " : "", shape[d]);
  return text + "]";
}

Tensor::Tensor(void* at, Device* on, DType type, const Shape& dims)
    : data(at), device(on), dtype(type), shape(dims) {
  row_stride = dims.rank() == 0 || dims[0] == 0 ? 0 : dims.elements() / dims[0];
}

Tensor Tensor::slice_rows(int64_t first, int64_t count) const {
  assert(first >= 0 && count >= 0 && first + count <= rows());
  Tensor part = *this;
  if (data != nullptr)
    part.data = static_cast<std::byte*>(data) + first * row_stride * dtype_bytes(dtype);
  part.shape = shape.rank() == 1   ? Shape{count}
               : shape.rank() == 2 ? Shape{count, shape[1]}
               : shape.rank() == 3 ? Shape{count, shape[1], shape[2]}
                                   : Shape{count, shape[1], shape[2], shape[3]};
  return part;
}

Tensor Tensor::slice_cols(int64_t first, int64_t count) const {
  assert(shape.rank() == 2 && first >= 0 && count >= 0 && first + count <= shape[1]);
  Tensor part = *this;
  if (data != nullptr) part.data = static_cast<std::byte*>(data) + first * dtype_bytes(dtype);
  part.shape = {shape[0], count};
  return part;
}

}  // namespace tessera
