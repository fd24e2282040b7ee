#include "tensor/arena.h"

#include <algorithm>

#include "base/units.h"
#include "tessera/error.h"

namespace tessera {

Tensor Arena::take(DType dtype, const Shape& shape) {
  const auto bytes = static_cast<uint64_t>(shape.elements() * dtype_bytes(dtype));
  const uint64_t rounded = round_up(bytes, kAlignment);
  if (rounded > capacity_ - used_)
    throw Error(
        {.where = device_->info().name,
         .what = "arena",
         .expected = format_bytes(capacity_ - used_) + " at most for " + describe(dtype, shape),
         .found = format_bytes(rounded),
         .hint = "the plan counted too little: please report it"});
  void* at = base_ == nullptr ? nullptr : base_ + used_;
  used_ += rounded;
  peak_ = std::max(peak_, used_);
  return {at, device_, dtype, shape};
}

}  // namespace tessera
