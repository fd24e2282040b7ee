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

/// Some tokens that stand behind each other in one page, as one head has them.
struct KvTokens {
  const float *key = nullptr, *value = nullptr;  ///< of the first, f32 [head_dim] each
  int64_t key_stride = 0, value_stride = 0;      ///< from a token's to the next's
  int64_t slot = 0, count = 0;                   ///< in the page
};

/// Writes their keys and values, rounded to the pages' format.
void kv_write(const KvPages& pages, int64_t block, int64_t kv_head, const KvTokens& tokens);

/// Throws Error, naming `op`, when a row's position is outside its blocks or past max_context, its
/// sequence is no row of them, or a page id within its context is no block of `pages`.
void check_rows(const char* op, const BatchRows& rows, const KvPages& pages);

}  // namespace tessera
