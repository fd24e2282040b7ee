#include <string>

#include "ops/convert.h"
#include "ops/cpu.h"
#include "tessera/error.h"

namespace tessera {

void embedding_cpu(WorkerPool& pool, const Tensor& ids, const Tensor& table, const Tensor& out) {
  const int64_t rows = ids.shape[0], vocab = table.shape[0], hidden = table.shape[1];
  for (int64_t r = 0; r < rows; ++r)
    if (const int32_t id = ids.i32()[r]; id < 0 || id >= vocab)
      throw Error({.where = "embedding",
                   .what = "token id in row " + std::to_string(r),
                   .expected = "0 to " + std::to_string(vocab - 1),
                   .found = std::to_string(id)});

  pool.for_each(rows, [&](int64_t r) {
    const int32_t id = ids.i32()[r];
    const void* from = table.dtype == DType::kF32 ? static_cast<const void*>(table.f32(id))
                                                  : table.row<uint16_t>(id);
    convert(from, table.dtype, out.f32(r), DType::kF32, hidden);
  });
}

}  // namespace tessera
