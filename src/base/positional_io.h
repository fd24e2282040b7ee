#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera {

/// All of `bytes` into the file at `offset`. Returns 0, or the errno of the write that failed.
int write_all_at(int fd, uint64_t offset, std::span<const std::byte> bytes);

struct ReadResult {
  size_t bytes;  ///< read; fewer than were asked for at the end of the file
  int code;      ///< 0, or the errno of the read that failed
};
/// As much of `out` as the file has from `offset` on.
ReadResult read_all_at(int fd, uint64_t offset, std::span<std::byte> out);

}  // namespace tessera
