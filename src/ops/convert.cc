#include "ops/convert.h"

#include <cstring>
#include <string>

#include "tessera/error.h"

namespace tessera {
namespace {

struct FromF32 {
  using Bits = float;
  static float f32(float v) { return v; }
};
struct FromBF16 {
  using Bits = uint16_t;
  static float f32(uint16_t v) { return f32_from_bf16(v); }
};
struct FromF16 {
  using Bits = uint16_t;
  static float f32(uint16_t v) { return f32_from_f16(v); }
};

template <typename From>
void convert_from(const void* from, void* to, DType to_dtype, int64_t count) {
  const auto* in = static_cast<const typename From::Bits*>(from);
  if (to_dtype == DType::kF32) {
    auto* out = static_cast<float*>(to);
    for (int64_t i = 0; i < count; ++i) out[i] = From::f32(in[i]);
  } else {
    auto* out = static_cast<uint16_t*>(to);
    for (int64_t i = 0; i < count; ++i) out[i] = bf16_from_f32(From::f32(in[i]));
  }
}

}  // namespace

void convert(const void* from, DType from_dtype, void* to, DType to_dtype, int64_t count) {
  const bool known_target = to_dtype == DType::kF32 || to_dtype == DType::kBF16;
  if (from_dtype == to_dtype && known_target)
    std::memcpy(to, from, static_cast<size_t>(count * dtype_bytes(to_dtype)));
  else if (from_dtype == DType::kF32 && known_target)
    convert_from<FromF32>(from, to, to_dtype, count);
  else if (from_dtype == DType::kBF16 && known_target)
    convert_from<FromBF16>(from, to, to_dtype, count);
  else if (from_dtype == DType::kF16 && known_target)
    convert_from<FromF16>(from, to, to_dtype, count);
  else
    throw Error({.where = "convert",
                 .expected = "f32, bf16 or f16 to f32 or bf16",
                 .found = std::string(dtype_name(from_dtype)) + " to " +
                          std::string(dtype_name(to_dtype))});
}

}  // namespace tessera
