#pragma once

#include <string>

#include "checkpoint/packed_manifest.h"

namespace tessera {

/// The folder that a packed copy is written into, locked against a second writer. It says what it
/// is from the first moment (kPackingMarkerName), and is a packed copy from the last one on
/// (kPackedManifestName).
class PackFolder {
 public:
  /// Makes the folder. Takes one that is there when it is empty, or was begun for the very same
  /// copy: `wanted`, whose files do not count. Throws Error otherwise.
  PackFolder(std::string path, const PackedManifest& wanted);
  PackFolder(const PackFolder&) = delete;
  PackFolder& operator=(const PackFolder&) = delete;
  ~PackFolder();

  std::string path(const std::string& file) const { return path_ + "/" + file; }
  std::string make_path(const std::string& file) const;  ///< with the folders in between made

  /// Throws Error unless the disk has room for so many bytes more.
  void require_space(uint64_t bytes) const;

  /// All files are in place: writes the manifest and takes the marker away.
  void finish(const PackedManifest& manifest) const;

 private:
  const std::string path_;
  int lock_ = -1;
};

}  // namespace tessera
