#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kv_cache.h"

namespace tessera {

/// Where a page keeps one head's keys [head_dim][16] and values [16][head_dim], in host memory.
inline std::byte* kv_keys(const KvPages& pages, int64_t block, int64_t kv_head) {
  const int64_t head = kBlockTokens * pages.head_dim;
  return static_cast<std::byte*>(pages.data) +
         (block * pages.block_elements() + kv_head * head) * dtype_bytes(pages.dtype);
}

inline std::byte* kv_values(const KvPages& pages, int64_t block, int64_t kv_head) {
  return kv_keys(pages, block, pages.kv_heads + kv_head);
}

/// Throws Error, naming `op`, when a row's position is outside its blocks or past max_context, its
/// sequence is no row of them, or a page id within its context is no block of `pages`.
void check_rows(const char* op, const BatchRows& rows, const KvPages& pages);

}  // namespace tessera
