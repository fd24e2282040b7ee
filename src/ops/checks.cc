#include "ops/checks.h"

#include <algorithm>
#include <utility>

#include "tessera/error.h"

namespace tessera {
namespace {

std::string names(std::initializer_list<DType> dtypes) {
  std::string text;
  for (const DType dtype : dtypes) {
    if (!text.empty()) text += " or ";
    text += dtype_name(dtype);
  }
  return text;
}

bool contains(std::initializer_list<DType> dtypes, DType dtype) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

// What describe(dtype, shape) prints behind the dtype.
std::string extents(const Shape& shape) {
  const std::string text = describe(DType::kF32, shape);
  return text.substr(text.find('['));
}

}  // namespace

Checks::Checks(std::string_view op, const Stream& stream) : op_(op), device_(stream.device()) {}

void Checks::fail(std::string_view argument, std::string expected, std::string found) const {
  throw Error({.where = std::string(op_),
               .what = std::string(argument),
               .expected = std::move(expected),
               .found = std::move(found)});
}

void Checks::that(bool holds, std::string_view argument, std::string_view expected,
                  int64_t found) const {
  if (!holds) fail(argument, std::string(expected), std::to_string(found));
}

void Checks::place(std::string_view argument, const Device* device, const void* data,
                   uint64_t bytes) const {
  if (device != &device_)
    fail(argument, "on " + device_.info().name,
         "on " + (device == nullptr ? std::string("no device") : device->info().name));
  const bool simulated = device_.info().kind == DeviceKind::kSimulated;
  if (data == nullptr && bytes > 0 && !simulated) fail(argument, "memory", "a null pointer");
}

void Checks::tensor(std::string_view argument, const Tensor& t, std::initializer_list<DType> dtypes,
                    const Shape& shape) const {
  if (!contains(dtypes, t.dtype) || t.shape != shape)
    fail(argument, names(dtypes) + " " + extents(shape), describe(t.dtype, t.shape));
  if (shape.rank() == 1) that(t.dense(), argument, "a dense tensor, stride 1", t.row_stride);
  place(argument, t.device, t.data, t.bytes());
}

void Checks::matrix(std::string_view argument, const Tensor& t,
                    std::initializer_list<DType> dtypes) const {
  if (t.shape.rank() != 2)
    fail(argument, names(dtypes) + " of two dimensions", describe(t.dtype, t.shape));
  tensor(argument, t, dtypes, t.shape);
}

void Checks::weights(std::string_view argument, const PackedMatrix& w) const {
  if (w.format().bits == 0 || w.out < 1 || w.in < 1)
    fail(argument, "a precision that CPUs compute, at least [1, 1]",
         std::string(precision_name(w.precision)) + " [" + std::to_string(w.out) + ", " +
             std::to_string(w.in) + "]");
  place(argument, w.device, w.data, w.bytes());
}

void Checks::pages(std::string_view argument, const KvPages& pages) const {
  if (pages.blocks < 0 || pages.kv_heads < 1 || pages.head_dim < 1) {
    const Shape shape = {pages.blocks, pages.kv_heads, kBlockTokens, pages.head_dim};
    fail(argument, "at least [0, 1, 16, 1]",
         std::string(kv_format_name(pages.format)) + " " + extents(shape));
  }
  place(argument, pages.device, pages.data,
        KvPages::bytes(pages.format, pages.blocks, pages.kv_heads, pages.head_dim));
}

void Checks::batch_rows(const BatchRows& rows, int64_t count) const {
  tensor("positions", rows.positions, {DType::kI32}, {count});
  tensor("sequence", rows.sequence, {DType::kI32}, {count});
  matrix("blocks", rows.blocks, {DType::kI32});
  const int64_t capacity = rows.blocks.shape[1] * kBlockTokens;
  that(rows.max_context >= 0 && rows.max_context <= capacity, "max_context",
       "0 to " + std::to_string(capacity) + ", what the blocks hold", rows.max_context);
}

}  // namespace tessera
