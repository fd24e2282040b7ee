#include "checkpoint/packed_manifest.h"

#include <cstdlib>

#include "tessera/error.h"

// tessera.json of a packed copy. No name that is accepted may lead out of the folder, and what is
// read is written and read back as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const tessera::PackedManifest manifest = tessera::parse_packed_manifest(text, "fuzz");
    for (const tessera::PackedUnitFile& unit : manifest.units)
      if (unit.file.find('/') != unit.file.npos || unit.file == "..") std::abort();
    for (const tessera::PackedOtherFile& other : manifest.others)
      if (other.file.starts_with('/') || ('/' + other.file + '/').find("/../") != std::string::npos)
        std::abort();
    if (tessera::parse_packed_manifest(packed_manifest_text(manifest), "again") != manifest)
      std::abort();
  } catch (const tessera::Error&) {
  }
  return 0;
}
