#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <numeric>
#include <random>
#include <vector>

#include "ops/convert.h"
#include "ops/kv_cache.h"
#include "tests/ops/op_device.h"

namespace tessera {

/// One sequence with random keys and values in pages of its own, in no order, one page too many.
/// What was never written is NaN, or in int8 codes of -1 with scales that are NaN, or repeats
/// another byte. Written here by the layout's definition, not by kv_append.
class PagedSequence {
 public:
  PagedSequence(OpDevice& device, KvFormat format, int64_t kv_heads, int64_t dim, int64_t tokens,
                uint32_t order = 0, std::byte unwritten = std::byte{0xff})
      : device_(device),
        format_(format),
        k_(normal(tokens * kv_heads * dim, 11)),
        v_(normal(tokens * kv_heads * dim, 12)),
        blocks_(static_cast<size_t>((tokens + kBlockTokens - 1) / kBlockTokens)) {
    const auto pages = static_cast<int64_t>(blocks_.size()) + 1;
    pages_ = {nullptr, &device.device(), format, pages, kv_heads, dim};
    memory_.resize(KvPages::bytes(format, pages, kv_heads, dim), unwritten);
    std::vector<int32_t> ids(static_cast<size_t>(pages));
    std::iota(ids.begin(), ids.end(), 0);
    std::shuffle(ids.begin(), ids.end(), std::mt19937(order));
    std::copy(ids.begin(), ids.begin() + pages - 1, blocks_.begin());

    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t head = 0; head < kv_heads; ++head) write(t, head);
  }

  /// A view, as are rows(): to be taken anew after OpDevice::wait().
  KvPages& pages() {
    pages_.data = device_.memory(memory_);
    return pages_;
  }
  /// [tokens, kv_heads * dim], rounded as the pages hold them.
  const std::vector<float>& k() const { return k_; }
  const std::vector<float>& v() const { return v_; }

  /// Tokens first .. first + count - 1 as rows of a micro-batch.
  BatchRows rows(int64_t first, int64_t count) {
    auto& positions = numbers_.emplace_back(static_cast<size_t>(count));
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(first));
    auto& sequence = numbers_.emplace_back(static_cast<size_t>(count), 0);
    return {.positions = device_.view(positions, {count}),
            .sequence = device_.view(sequence, {count}),
            .blocks = device_.view(blocks_, {1, static_cast<int64_t>(blocks_.size())}),
            .max_context = first + count};
  }

  /// Into pages in host memory.
  void copy_block(int64_t index, const KvPages& to, int64_t page) const {
    const auto bytes = static_cast<size_t>(KvPages::bytes(format_, 1, to.kv_heads, to.head_dim));
    std::memcpy(static_cast<std::byte*>(to.data) + static_cast<size_t>(page) * bytes,
                memory_.data() + static_cast<size_t>(blocks_[static_cast<size_t>(index)]) * bytes,
                bytes);
  }

 private:
  // Token t's key and value of one head: where the layout says, and k_ and v_ as they are then
  // read.
  void write(int64_t t, int64_t head) {
    const int64_t dim = pages_.head_dim, heads = pages_.kv_heads, slot = t % kBlockTokens;
    const int64_t per = format_ == KvFormat::kF32 ? 1 : 2;  // numbers to a word
    const int64_t size = format_ == KvFormat::kF32 ? 4 : format_ == KvFormat::kBF16 ? 2 : 1;
    const int64_t scales = format_ == KvFormat::kInt8 ? 4 * kBlockTokens : 0;
    const int64_t key_codes = (dim + per - 1) / per * per * kBlockTokens * size;
    const int64_t value_codes = kBlockTokens * dim * size;
    const int64_t page = blocks_[static_cast<size_t>(t / kBlockTokens)];
    const int64_t block = page * heads * (key_codes + value_codes + 2 * scales);
    const int64_t keys = block + head * (key_codes + scales);
    const int64_t values = block + heads * (key_codes + scales) + head * (value_codes + scales);

    float* k = k_.data() + (t * heads + head) * dim;
    float* v = v_.data() + (t * heads + head) * dim;
    float key_scale = 1, value_scale = 1;
    if (format_ == KvFormat::kInt8) {
      key_scale = put_scale(keys + key_codes + 4 * slot, k);
      value_scale = put_scale(values + value_codes + 4 * slot, v);
    }
    for (int64_t d = 0; d < dim; ++d) {
      put(keys + ((d / per * kBlockTokens + slot) * per + d % per) * size, key_scale, k[d]);
      put(values + ((slot / per * dim + d) * per + slot % per) * size, value_scale, v[d]);
    }
    float zero = 0;
    if (dim % per != 0) put(keys + ((dim / per * kBlockTokens + slot) * per + 1) * size, 1, zero);
  }

  float put_scale(int64_t at, const float* numbers) {
    float largest = 0;
    for (int64_t d = 0; d < pages_.head_dim; ++d) largest = std::max(largest, std::abs(numbers[d]));
    const float scale = largest / 127;
    std::memcpy(memory_.data() + at, &scale, 4);
    return scale;
  }

  void put(int64_t at, float scale, float& value) {
    std::byte* to = memory_.data() + at;
    if (format_ == KvFormat::kF32) {
      std::memcpy(to, &value, 4);
    } else if (format_ == KvFormat::kBF16) {
      const uint16_t bits = bf16_from_f32(value);
      std::memcpy(to, &bits, 2);
      value = f32_from_bf16(bits);
    } else {
      const auto code = static_cast<int8_t>(std::lround(double{value} / scale));
      std::memcpy(to, &code, 1);
      value = static_cast<float>(code) * scale;
    }
  }

  OpDevice& device_;
  KvFormat format_;
  std::vector<float> k_, v_;
  std::vector<std::byte> memory_;
  KvPages pages_;
  std::vector<int32_t> blocks_;
  std::list<std::vector<int32_t>> numbers_;  // of rows()
};

}  // namespace tessera
