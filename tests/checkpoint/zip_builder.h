#pragma once

#include <zlib.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

/// Appends `value` as `bytes` bytes, little-endian.
inline void put(std::string& out, uint64_t value, int bytes) {
  for (; bytes > 0; --bytes, value >>= 8) out += static_cast<char>(value & 0xff);
}

/// One entry of an archive under construction. Each field that a test sets is a lie about `data`.
struct ZipFile {
  std::string name, data = {};
  uint16_t flags = 0x0808, method = 0;
  std::optional<std::string> local_name = {};
  std::optional<uint16_t> local_flags = {}, local_method = {};
  std::optional<uint32_t> crc = {}, local_crc = {}, local_bytes = {};
  std::optional<uint32_t> listed_bytes = {}, listed_plain_bytes = {}, header_offset = {};
  std::string extra = {};  ///< extra fields in the directory
};

/// Lies about the archive as a whole.
struct ZipEnd {
  bool zip64 = true;            ///< with the ZIP64 end record that torch always writes
  std::string before_end = {};  ///< bytes between directory and end records
  std::string comment = {};
  int64_t extra_entries = 0;               ///< more than there are
  int64_t directory_shift = 0;             ///< added to its offset
  int64_t end64_shift = 0;                 ///< added to the offset in the ZIP64 locator
  std::optional<uint16_t> entries32 = {};  ///< the count in the old end record
};

/// An archive as torch.save writes it: payloads aligned to 64 bytes, followed by descriptors.
inline std::string build_zip(const std::vector<ZipFile>& files, const ZipEnd& end = {}) {
  std::string out, directory;
  for (const ZipFile& f : files) {
    const uint64_t header = out.size();
    const auto bytes = f.data.size();
    const auto crc = f.crc.value_or(static_cast<uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(f.data.data()), static_cast<uInt>(bytes))));
    const std::string local_name = f.local_name.value_or(f.name);
    const size_t pad = (64 - (header + 30 + local_name.size() + 4) % 64) % 64;

    put(out, 0x04034b50, 4), put(out, 0, 2);
    put(out, f.local_flags.value_or(f.flags), 2), put(out, f.local_method.value_or(f.method), 2);
    put(out, 0, 4), put(out, f.local_crc.value_or(0), 4);
    put(out, f.local_bytes.value_or(0), 4), put(out, f.local_bytes.value_or(0), 4);
    put(out, local_name.size(), 2), put(out, pad + 4, 2);
    out += local_name + "FB";
    put(out, pad, 2);
    out += std::string(pad, 'Z') + f.data;
    put(out, 0x08074b50, 4), put(out, crc, 4), put(out, bytes, 4), put(out, bytes, 4);

    put(directory, 0x02014b50, 4), put(directory, 0, 4), put(directory, f.flags, 2);
    put(directory, f.method, 2), put(directory, 0, 4), put(directory, crc, 4);
    put(directory, f.listed_bytes.value_or(static_cast<uint32_t>(bytes)), 4);
    put(directory,
        f.listed_plain_bytes.value_or(f.listed_bytes.value_or(static_cast<uint32_t>(bytes))), 4);
    put(directory, f.name.size(), 2), put(directory, f.extra.size(), 2), put(directory, 0, 2);
    put(directory, 0, 8),
        put(directory, f.header_offset.value_or(static_cast<uint32_t>(header)), 4);
    directory += f.name + f.extra;
  }

  const auto count = static_cast<uint64_t>(static_cast<int64_t>(files.size()) + end.extra_entries);
  const auto offset = static_cast<uint64_t>(static_cast<int64_t>(out.size()) + end.directory_shift);
  out += directory + end.before_end;
  if (end.zip64) {
    const uint64_t end64 = out.size();
    put(out, 0x06064b50, 4), put(out, 44, 8), put(out, 0, 12), put(out, count, 8),
        put(out, count, 8);
    put(out, directory.size(), 8), put(out, offset, 8);
    put(out, 0x07064b50, 4), put(out, 0, 4);
    put(out, static_cast<uint64_t>(static_cast<int64_t>(end64) + end.end64_shift), 8),
        put(out, 1, 4);
  }
  const uint64_t count32 = end.entries32.value_or(static_cast<uint16_t>(count));
  put(out, 0x06054b50, 4), put(out, 0, 4), put(out, count32, 2), put(out, count32, 2);
  put(out, directory.size(), 4), put(out, offset, 4), put(out, end.comment.size(), 2);
  return out + end.comment;
}

}  // namespace tessera
