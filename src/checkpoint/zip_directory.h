#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/byte_source.h"

namespace tessera {

/// One stored file of a zip archive: its payload is bytes [offset, offset + bytes) of the archive.
struct ZipEntry {
  std::string name;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint32_t crc32 = 0;  ///< as written, not checked here; 0 in files saved without checksums
};

/// The entries of a zip archive as torch.save writes it, in the order of their payloads. Reads the
/// central directory and the local headers, no payload.
///
/// A zip can be read in several ways that disagree (front to back, by directory, by the last of two
/// directories), and that is how a scanner is shown another file than the loader. So whatever
/// leaves room for a second reading is an Error: an archive comment, bytes between directory and
/// end records, compressed or encrypted entries, two entries of one name, overlapping entries,
/// local headers that differ from the directory, ZIP64 values without need. docs/formats.md lists
/// every rule.
/// Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

/// A larger central directory is refused: a million entries fit, a checkpoint has thousands.
inline constexpr uint64_t kMaxZipDirectoryBytes = uint64_t{64} << 20;

}  // namespace tessera
