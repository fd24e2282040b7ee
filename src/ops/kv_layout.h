#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kv_cache.h"

namespace tessera {

/// Where a page keeps one head's keys and values, in host memory; behind its codes a page in int8
/// keeps their scales.
inline std::byte* kv_keys(const KvPages& pages, int64_t block, int64_t kv_head) {
  return static_cast<std::byte*>(pages.data) + block * pages.block_bytes() +
         kv_head * pages.key_bytes();
}

inline std::byte* kv_values(const KvPages& pages, int64_t block, int64_t kv_head) {
  return kv_keys(pages, block, pages.kv_heads) + kv_head * pages.value_bytes();
}

inline float* kv_key_scales(const KvPages& pages, int64_t block, int64_t kv_head) {
  return reinterpret_cast<float*>(kv_keys(pages, block, kv_head + 1) - pages.scale_bytes());
}

inline float* kv_value_scales(const KvPages& pages, int64_t block, int64_t kv_head) {
  return reinterpret_cast<float*>(kv_values(pages, block, kv_head + 1) - pages.scale_bytes());
}

/// Writes one token's key and value of one head, f32 [head_dim] each, into a slot of a page.
void kv_write(const KvPages& pages, int64_t block, int64_t kv_head, int64_t slot, const float* key,
              const float* value);

/// Throws Error, naming `op`, when a row's position is outside its blocks or past max_context, its
/// sequence is no row of them, or a page id within its context is no block of `pages`.
void check_rows(const char* op, const BatchRows& rows, const KvPages& pages);

}  // namespace tessera
