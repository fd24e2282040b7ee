#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "device/device.h"
#include "tensor/dtype.h"

namespace tessera {

/// Up to four extents, outermost first.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    assert(dims.size() <= dims_.size());
    std::copy(dims.begin(), dims.end(), dims_.begin());
  }

  int rank() const { return rank_; }
  int64_t operator[](int dim) const { return dims_[static_cast<size_t>(dim)]; }
  int64_t elements() const {
    int64_t n = 1;
    for (int d = 0; d < rank_; ++d) n *= dims_[static_cast<size_t>(d)];
    return n;
  }
  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, 4> dims_ = {};
  int rank_ = 0;
};

std::string describe(DType dtype, const Shape& shape);  ///< "f32 [2, 4096]"

/// A view of numbers on one device; never frees. Inner dimensions are dense; the outermost may have
/// a larger stride, so that a slice of columns is a view too. `data` is null on simulated devices.
struct Tensor {
  void* data = nullptr;
  Device* device = nullptr;
  DType dtype = DType::kF32;
  Shape shape = {};
  int64_t row_stride = 0;  ///< elements from one index of dimension 0 to the next

  Tensor() = default;
  /// Dense.
  Tensor(void* data, Device* device, DType dtype, const Shape& shape);

  int64_t rows() const { return shape[0]; }
  int64_t cols() const { return shape.elements() / shape[0]; }  ///< all but dimension 0
  bool dense() const { return rows() <= 1 || row_stride == cols(); }
  uint64_t bytes() const { return static_cast<uint64_t>(shape.elements() * dtype_bytes(dtype)); }

  /// Start of row `row`; the element type must be the tensor's.
  template <typename T>
  T* row(int64_t row) const {
    assert(sizeof(T) == static_cast<size_t>(dtype_bytes(dtype)));
    return static_cast<T*>(data) + row * row_stride;
  }
  float* f32(int64_t r = 0) const { return row<float>(r); }
  int32_t* i32(int64_t r = 0) const { return row<int32_t>(r); }

  Tensor slice_rows(int64_t first, int64_t count) const;
  Tensor slice_cols(int64_t first, int64_t count) const;  ///< rank 2 only
};

}  // namespace tessera
