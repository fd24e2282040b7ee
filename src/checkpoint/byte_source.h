#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace tessera {

/// Where a parser reads from: a checkpoint file, or memory in tests and under the fuzzer. Reads may
/// come from several threads at once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  virtual const std::string& name() const = 0;  ///< the path, as errors show it
  virtual uint64_t size() const = 0;

  /// Fills `out` from `offset`. Throws Error when the source ends before.
  virtual void read_at(uint64_t offset, std::span<std::byte> out) const = 0;

  /// `bytes` bytes from `offset`; the range is checked before memory is taken for it.
  std::string read(uint64_t offset, uint64_t bytes) const;
};

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : file_(File::open(path)) {}

  const std::string& name() const override { return file_.path(); }
  uint64_t size() const override { return file_.size(); }
  void read_at(uint64_t offset, std::span<std::byte> out) const override {
    file_.read_at(offset, out);
  }

 private:
  File file_;
};

/// Views bytes that the caller keeps alive.
class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string name, std::string_view bytes) : name_(std::move(name)), bytes_(bytes) {}

  const std::string& name() const override { return name_; }
  uint64_t size() const override { return bytes_.size(); }
  void read_at(uint64_t offset, std::span<std::byte> out) const override;

 private:
  std::string name_;
  std::string_view bytes_;
};

/// Takes little-endian numbers and byte runs off the front of a buffer. A buffer that ends too
/// early is an Error that names `where` (a file) and `what` (the structure that was being read).
class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string where, std::string what)
      : bytes_(bytes), where_(std::move(where)), what_(std::move(what)) {}
  ByteReader(std::string&& bytes, std::string, std::string) = delete;  // would not outlive the call

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  std::string_view peek() const { return bytes_.substr(position_); }  ///< all that is left
  std::string_view take(uint64_t count);
  uint8_t u8() { return static_cast<uint8_t>(unsigned_of(1)); }
  uint16_t u16() { return static_cast<uint16_t>(unsigned_of(2)); }
  uint32_t u32() { return static_cast<uint32_t>(unsigned_of(4)); }
  uint64_t u64() { return unsigned_of(8); }

 private:
  uint64_t unsigned_of(size_t count);

  std::string_view bytes_;
  std::string where_, what_;
  size_t position_ = 0;
};

}  // namespace tessera
