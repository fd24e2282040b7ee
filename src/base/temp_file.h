#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tessera {

/// A file without a name, for what memory should not hold: whichever way the process ends, nothing
/// of it stays behind. It lies in $TMPDIR, else in /tmp. Positional reads and writes, from any
/// number of threads at once on different bytes. Every failure is an Error.
class TempFile {
 public:
  /// Room for `bytes`, set aside now: a disk that has too few of them says so here.
  explicit TempFile(uint64_t bytes);

  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&& other) noexcept;
  ~TempFile();

  uint64_t size() const { return size_; }

  // Both must end within size().
  void write_at(uint64_t offset, std::span<const std::byte> data);
  void read_at(uint64_t offset, std::span<std::byte> out) const;

 private:
  std::string folder_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace tessera
