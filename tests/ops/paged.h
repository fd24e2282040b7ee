#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "ops/convert.h"
#include "ops/kv_cache.h"
#include "tests/ops/cpu.h"

namespace tessera {

/// One sequence with random keys and values in pages of its own, in no order, one page too many.
/// What was never written is NaN. Written here by the layout's definition, not by kv_append.
class PagedSequence {
 public:
  PagedSequence(Cpu& cpu, DType dtype, int64_t kv_heads, int64_t dim, int64_t tokens,
                uint32_t order = 0)
      : cpu_(cpu),
        dtype_(dtype),
        k_(normal(tokens * kv_heads * dim, 11)),
        v_(normal(tokens * kv_heads * dim, 12)),
        blocks_(static_cast<size_t>((tokens + kBlockTokens - 1) / kBlockTokens)) {
    const auto pages = static_cast<int64_t>(blocks_.size()) + 1;
    pages_ = {nullptr, &cpu.device(), dtype, pages, kv_heads, dim};
    memory_.resize(KvPages::bytes(dtype, pages, kv_heads, dim), std::byte{0xff});  // NaN in both
    pages_.data = memory_.data();
    std::vector<int32_t> ids(static_cast<size_t>(pages));
    std::iota(ids.begin(), ids.end(), 0);
    std::shuffle(ids.begin(), ids.end(), std::mt19937(order));
    std::copy(ids.begin(), ids.begin() + pages - 1, blocks_.begin());

    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t head = 0; head < kv_heads; ++head)
        for (int64_t d = 0; d < dim; ++d) {
          const int64_t page = blocks_[static_cast<size_t>(t / kBlockTokens)];
          const int64_t slot = t % kBlockTokens;
          const auto from = static_cast<size_t>((t * kv_heads + head) * dim + d);
          const int64_t per = dtype == DType::kF32 ? 1 : 2;  // numbers to a word
          const int64_t keys = (dim + per - 1) / per * per * kBlockTokens;
          const int64_t values = kBlockTokens * dim, start = page * kv_heads * (keys + values);
          const int64_t key = start + head * keys + (d / per * kBlockTokens + slot) * per;
          const int64_t value = start + kv_heads * keys + head * values;
          put(key + d % per, k_[from]);
          put(value + (slot / per * dim + d) * per + slot % per, v_[from]);
          if (dim % per != 0 && d == dim - 1) {
            float zero = 0;
            put(key + 1, zero);
          }
        }
  }

  KvPages& pages() { return pages_; }
  /// [tokens, kv_heads * dim], rounded as the pages hold them.
  const std::vector<float>& k() const { return k_; }
  const std::vector<float>& v() const { return v_; }

  /// Tokens first .. first + count - 1 as rows of a micro-batch. Valid until the next call.
  BatchRows rows(int64_t first, int64_t count) {
    positions_.resize(static_cast<size_t>(count));
    std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(first));
    sequence_.assign(positions_.size(), 0);
    return {.positions = cpu_.view(positions_, {count}),
            .sequence = cpu_.view(sequence_, {count}),
            .blocks = cpu_.view(blocks_, {1, static_cast<int64_t>(blocks_.size())}),
            .max_context = first + count};
  }

  void copy_block(int64_t index, const KvPages& to, int64_t page) const {
    const auto bytes = static_cast<size_t>(to.block_elements() * dtype_bytes(dtype_));
    std::memcpy(static_cast<std::byte*>(to.data) + static_cast<size_t>(page) * bytes,
                memory_.data() + static_cast<size_t>(blocks_[static_cast<size_t>(index)]) * bytes,
                bytes);
  }

 private:
  void put(int64_t index, float& value) {
    if (dtype_ == DType::kF32) {
      std::memcpy(memory_.data() + index * 4, &value, 4);
    } else {
      const uint16_t bits = bf16_from_f32(value);
      std::memcpy(memory_.data() + index * 2, &bits, 2);
      value = f32_from_bf16(bits);
    }
  }

  Cpu& cpu_;
  DType dtype_;
  std::vector<float> k_, v_;
  std::vector<std::byte> memory_;
  KvPages pages_;
  std::vector<int32_t> blocks_, positions_, sequence_;
};

}  // namespace tessera
