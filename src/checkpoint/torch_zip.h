#pragma once

#include <map>
#include <string>

#include "checkpoint/zip_directory.h"

namespace tessera {

/// A file of torch.save, opened: the pickle in memory, the storages by their place in the file.
struct TorchZip {
  std::string pickle;                        ///< ARCHIVE/data.pkl, not looked at yet
  std::map<std::string, ZipEntry> storages;  ///< ARCHIVE/data/KEY by KEY
};

/// Throws Error for anything but one top folder with one data.pkl of bounded size, for TorchScript
/// archives, big-endian files, and the older formats that are no zip (each named in the message).
TorchZip open_torch_zip(const ByteSource& source);

}  // namespace tessera
