#include "checkpoint/tensor_entry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tessera {

std::string describe_shape(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string describe(DType dtype, std::span<const int64_t> shape) {
  return fmt::format("{} {}", dtype_name(dtype), describe_shape(shape));
}

std::optional<uint64_t> checked_tensor_bytes(std::span<const int64_t> shape, int64_t item_bytes) {
  if (shape.size() > kMaxTensorRank) return std::nullopt;
  int64_t bytes = item_bytes;
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

}  // namespace tessera
