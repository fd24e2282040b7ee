#include "checkpoint/zip_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint64_t kLocalHeaderBytes = 30, kDirectoryHeaderBytes = 46;
constexpr uint64_t kEndBytes = 22, kEnd64Bytes = 56, kEnd64LocatorBytes = 20;

// In place of a value that stands in a ZIP64 field.
constexpr uint16_t kSee64Short = 0xffff;
constexpr uint32_t kSee64 = 0xffffffff;

// Bit 3: sizes follow the payload. Bit 11: the name is UTF-8. Others mean encryption, patches or
// compression details, none of which a stored entry has.
constexpr uint16_t kSizesFollow = 1 << 3, kUtf8Name = 1 << 11;

[[noreturn]] void refuse(const ByteSource& source, std::string what, std::string expected,
                         std::string found, std::string hint = "") {
  throw Error({.where = source.name(),
               .what = std::move(what),
               .expected = std::move(expected),
               .found = std::move(found),
               .hint = std::move(hint)});
}

void check(bool right, const ByteSource& source, const char* what, const std::string& expected,
           uint64_t found) {
  if (!right) refuse(source, what, expected, fmt::format("{}", found));
}

// Where the central directory lies, as the end records say; `end` is where they begin.
struct Directory {
  uint64_t entries, bytes, offset, end;
};

// Takes the place of the 32-bit values where there is a ZIP64 end record.
Directory read_end64(const ByteSource& source, uint64_t locator_at, const Directory& end32) {
  const std::string locator_bytes = source.read(locator_at, kEnd64LocatorBytes);
  ByteReader locator(locator_bytes, source.name(), "ZIP64 locator");
  locator.u32();  // the signature, seen by the caller
  const uint32_t disk = locator.u32();
  const uint64_t end64_at = locator.u64();
  const uint32_t disks = locator.u32();
  check(disk == 0 && disks <= 1, source, "ZIP64 locator", "one disk", disks);
  check(locator_at >= kEnd64Bytes && end64_at == locator_at - kEnd64Bytes, source, "ZIP64 locator",
        "the end record right before it", end64_at);

  const std::string end_bytes = source.read(end64_at, kEnd64Bytes);
  ByteReader end(end_bytes, source.name(), "ZIP64 end record");
  check(end.u32() == kEnd64, source, "ZIP64 end record", "its signature", end64_at);
  const uint64_t record_bytes = end.u64();
  check(record_bytes == kEnd64Bytes - 12, source, "ZIP64 end record length", "44", record_bytes);
  end.take(4);  // versions
  const uint32_t this_disk = end.u32(), directory_disk = end.u32();
  check(this_disk == 0 && directory_disk == 0, source, "ZIP64 end record", "one disk", this_disk);
  const uint64_t entries_here = end.u64();
  Directory out = {.entries = end.u64(), .bytes = end.u64(), .offset = end.u64(), .end = end64_at};
  check(entries_here == out.entries, source, "ZIP64 end record", "one disk", entries_here);

  const auto agrees = [](uint64_t value32, uint64_t marker, uint64_t value64) {
    return value32 == marker || value32 == value64;
  };
  if (!agrees(end32.entries, kSee64Short, out.entries) || !agrees(end32.bytes, kSee64, out.bytes) ||
      !agrees(end32.offset, kSee64, out.offset))
    refuse(source, "zip end records", "the same directory in both", "two that differ");
  return out;
}

Directory find_directory(const ByteSource& source) {
  if (source.size() < kEndBytes)
    refuse(source, "", "a zip archive of torch.save", fmt::format("{} bytes", source.size()),
           "truncated?");
  const uint64_t end_at = source.size() - kEndBytes;
  const std::string end_bytes = source.read(end_at, kEndBytes);
  ByteReader end(end_bytes, source.name(), "zip end record");
  // Anywhere else but in the last 22 bytes it would follow by a comment, which torch never writes.
  if (end.u32() != kEnd)
    refuse(source, "", "a zip archive of torch.save", "no zip end record in the last 22 bytes",
           "truncated, or something was appended?");
  const uint16_t disk = end.u16(), directory_disk = end.u16();
  check(disk == 0 && directory_disk == 0, source, "zip end record", "one disk", disk);
  const uint16_t entries_here = end.u16();
  Directory out = {.entries = end.u16(), .bytes = end.u32(), .offset = end.u32(), .end = end_at};
  check(entries_here == out.entries, source, "zip end record", "one disk", entries_here);
  const uint16_t comment_bytes = end.u16();
  check(comment_bytes == 0, source, "zip comment length", "0", comment_bytes);

  if (end_at >= kEnd64LocatorBytes) {
    const uint64_t locator_at = end_at - kEnd64LocatorBytes;
    const std::string signature = source.read(locator_at, 4);
    if (ByteReader(signature, "", "").u32() == kEnd64Locator)
      out = read_end64(source, locator_at, out);
  }

  if (out.bytes > kMaxZipDirectoryBytes || out.bytes > out.end || out.offset != out.end - out.bytes)
    refuse(source, "zip directory",
           fmt::format("one that ends at the end records, at {}, and has at most {} bytes", out.end,
                       kMaxZipDirectoryBytes),
           fmt::format("{} bytes at {}", out.bytes, out.offset));
  if (out.entries > out.bytes / kDirectoryHeaderBytes)
    refuse(source, "zip directory", fmt::format("at most {} bytes", out.bytes),
           fmt::format("{} entries", out.entries));
  return out;
}

// One header of the central directory.
struct Listed {
  ZipEntry entry;
  uint64_t header_offset;
  uint16_t flags;
};

// The extra field 0x0001 holds, in this order, those values whose 32-bit place says kSee64.
void read_zip64_extra(const ByteSource& source, std::string_view extra, uint64_t& plain_bytes,
                      uint64_t& stored_bytes, uint64_t& header_offset) {
  ByteReader fields(extra, source.name(), "zip extra fields");
  bool seen = false;
  while (fields.left() > 0) {
    const uint16_t id = fields.u16(), bytes = fields.u16();
    const std::string_view body = fields.take(bytes);
    if (id != 1) continue;
    if (seen) refuse(source, "zip extra fields", "one ZIP64 field", "two");
    seen = true;
    ByteReader values(body, source.name(), "ZIP64 extra field");
    for (uint64_t* value : {&plain_bytes, &stored_bytes, &header_offset})
      if (*value == kSee64) *value = values.u64();
    check(values.left() == 0, source, "ZIP64 extra field", "values for 0xffffffff only", bytes);
  }
  if (!seen && (plain_bytes == kSee64 || stored_bytes == kSee64 || header_offset == kSee64))
    refuse(source, "zip extra fields", "a ZIP64 field for 0xffffffff", "none");
}

Listed read_listed(const ByteSource& source, ByteReader& directory) {
  check(directory.u32() == kDirectoryHeader, source, "zip directory", "a header's signature",
        directory.position());
  directory.take(4);  // versions
  Listed out = {.entry = {}, .header_offset = 0, .flags = directory.u16()};
  const uint16_t method = directory.u16();
  directory.take(4);  // time, date
  out.entry.crc32 = directory.u32();
  uint64_t stored_bytes = directory.u32(), plain_bytes = directory.u32();
  const uint16_t name_bytes = directory.u16(), extra_bytes = directory.u16();
  const uint16_t comment_bytes = directory.u16(), disk = directory.u16();
  directory.take(6);  // attributes
  out.header_offset = directory.u32();
  out.entry.name = directory.take(name_bytes);
  const std::string_view extra = directory.take(extra_bytes);
  directory.take(comment_bytes);

  const std::string& name = out.entry.name;
  if (method != 0)
    refuse(source, name, "a stored entry (method 0)", fmt::format("method {}", method),
           "torch.save never compresses");
  if ((out.flags & ~(kSizesFollow | kUtf8Name)) != 0)
    refuse(source, name, "zip flags 0x0008 and 0x0800 at most", fmt::format("{:#06x}", out.flags),
           "encrypted?");
  check(disk == 0, source, "zip directory", "one disk", disk);
  read_zip64_extra(source, extra, plain_bytes, stored_bytes, out.header_offset);
  if (plain_bytes != stored_bytes)
    refuse(source, name, "one size, since the entry is stored",
           fmt::format("{} and {} bytes", plain_bytes, stored_bytes));
  out.entry.bytes = plain_bytes;
  return out;
}

// Holds the local header against the directory and finds where the payload begins.
void locate_payload(const ByteSource& source, Listed& listed) {
  ZipEntry& entry = listed.entry;
  const std::string bytes = source.read(listed.header_offset, kLocalHeaderBytes);
  ByteReader local(bytes, source.name(), "zip local header");
  const bool signed_right = local.u32() == kLocalHeader;
  local.take(2);  // version
  const uint16_t flags = local.u16(), method = local.u16();
  local.take(4);  // time, date
  const uint32_t crc = local.u32(), stored_bytes = local.u32(), plain_bytes = local.u32();
  const uint16_t name_bytes = local.u16(), extra_bytes = local.u16();
  // With bit 3 the sizes and the checksum may be left 0 here and follow the payload.
  const bool may_be_zero = (flags & kSizesFollow) != 0;
  const auto agrees = [&](uint32_t here, uint64_t listed_value) {
    return here == listed_value || here == kSee64 || (may_be_zero && here == 0);
  };
  if (!signed_right || method != 0 || flags != listed.flags || !agrees(stored_bytes, entry.bytes) ||
      !agrees(plain_bytes, entry.bytes) || (crc != entry.crc32 && !(may_be_zero && crc == 0)))
    refuse(source, entry.name, "a local header that agrees with the zip directory",
           fmt::format("another at {}", listed.header_offset));

  const uint64_t name_at = listed.header_offset + kLocalHeaderBytes;
  if (name_bytes != entry.name.size() || source.read(name_at, name_bytes) != entry.name)
    refuse(source, entry.name, "the same name in its local header",
           '"' + source.read(name_at, std::min<uint64_t>(name_bytes, 60)) + '"');
  entry.offset = name_at + name_bytes + extra_bytes;
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ByteSource& source) {
  const Directory where = find_directory(source);
  const std::string bytes = source.read(where.offset, where.bytes);
  ByteReader directory(bytes, source.name(), "zip directory");

  std::vector<Listed> listed;
  std::set<std::string_view> names;
  listed.reserve(where.entries);
  for (uint64_t i = 0; i < where.entries; ++i) {
    listed.push_back(read_listed(source, directory));
    if (!names.insert(listed.back().entry.name).second)
      refuse(source, listed.back().entry.name, "each name once", "two entries");
  }
  check(directory.left() == 0, source, "zip directory", "nothing after the last entry",
        directory.left());

  std::ranges::sort(listed, {}, &Listed::header_offset);
  std::vector<ZipEntry> out;
  out.reserve(listed.size());
  uint64_t free_from = 0;  // nothing before it may be used again
  for (Listed& item : listed) {
    if (item.header_offset < free_from || item.header_offset > where.offset)
      refuse(source, item.entry.name, "entries that do not overlap",
             fmt::format("one at {} where another ends at {}", item.header_offset, free_from));
    locate_payload(source, item);
    if (item.entry.offset > where.offset || item.entry.bytes > where.offset - item.entry.offset)
      refuse(source, item.entry.name, "an entry that ends before the zip directory",
             fmt::format("{} bytes at {}", item.entry.bytes, item.entry.offset), "truncated?");
    free_from = item.entry.offset + item.entry.bytes;
    out.push_back(std::move(item.entry));
  }
  return out;
}

}  // namespace tessera
