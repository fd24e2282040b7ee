#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

/// A large file on its way to the disk: written as PATH.part, and under its name only once it is
/// whole. Without commit() nothing stays behind; after a crash PATH.part may, and the next NewFile
/// of that name begins it anew. One writer for each name.
class NewFile {
 public:
  explicit NewFile(std::string path);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  void write_at(uint64_t offset, std::string_view text) {
    write_at(offset, std::as_bytes(std::span(text)));
  }

  /// Flushes to the disk, renames, and flushes the folder: from here on the file survives a crash.
  void commit();

 private:
  const std::string path_, part_;
  int fd_ = -1;
};

/// What can still be written into the file system of `dir`, by this user.
uint64_t free_disk_bytes(const std::string& dir);

}  // namespace tessera
