#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

/// An open file for positional reads, from any number of threads at once. Owns the descriptor.
/// Every failure is an Error that names the path and the system's reason.
class File {
 public:
  /// Opens a regular file for reading; a directory, a device or a missing file is an Error.
  static File open(const std::string& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  int fd() const { return fd_; }

  /// Fills `out` from `offset`. Throws Error when the file ends before.
  void read_at(uint64_t offset, std::span<std::byte> out) const;

 private:
  File(std::string path, int fd, uint64_t size);

  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// A whole file mapped read-only. Owns the mapping. Whoever touches bytes of a file that has shrunk
/// meanwhile is killed by the system.
class MappedFile {
 public:
  static MappedFile open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  MappedFile() = default;

  std::string path_;
  std::span<const std::byte> bytes_;
};

/// Brings these bytes of a MappedFile of `path` into memory and maps their pages, so that the first
/// to use them does not wait. Throws Error, instead of what touching them would do, when the file
/// has shrunk or cannot be read. Any thread.
void read_in(std::span<const std::byte> mapped, const std::string& path);

/// The whole file as bytes; a file above `max_bytes` is an Error.
std::string read_file(const std::string& path, uint64_t max_bytes);

/// Writes beside `path` and renames: whoever reads `path` sees the old content or the new, whole.
void write_file_atomic(const std::string& path, std::string_view content);

bool file_exists(const std::string& path);  ///< a regular file (or a link to one)
bool directory_exists(const std::string& path);

/// dir + "/" + name. `name` must be one plain name or a relative path that stays inside dir: an
/// absolute path, an empty part, "." or ".." is an Error that says `where` the name stood.
std::string path_inside(const std::string& dir, const std::string& name, const std::string& where);

}  // namespace tessera
