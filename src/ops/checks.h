#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "device/stream.h"
#include "ops/kv_cache.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace tessera {

/// What an op demands of its arguments, said once at its top. Each call throws an Error that names
/// the op, the argument, what was expected and what was found:
///   rms_norm: weight: expected f32 [4096], found bf16 [4096]
class Checks {
 public:
  Checks(std::string_view op, const Stream& stream);

  /// One of `dtypes`, exactly `shape`, on the stream's device. Rank 1 must be dense, of higher
  /// ranks the outermost dimension may be strided.
  void tensor(std::string_view argument, const Tensor& t, std::initializer_list<DType> dtypes,
              const Shape& shape) const;
  /// As above, of any two extents.
  void matrix(std::string_view argument, const Tensor& t,
              std::initializer_list<DType> dtypes) const;

  void weights(std::string_view argument, const PackedMatrix& w) const;
  void pages(std::string_view argument, const KvPages& pages) const;
  void batch_rows(const BatchRows& rows, int64_t count) const;

  /// Anything else: throws when `holds` is false.
  void that(bool holds, std::string_view argument, std::string_view expected, int64_t found) const;

 private:
  void place(std::string_view argument, const Device* device, const void* data,
             uint64_t bytes) const;
  [[noreturn]] void fail(std::string_view argument, std::string expected, std::string found) const;

  std::string_view op_;
  const Device& device_;
};

}  // namespace tessera
