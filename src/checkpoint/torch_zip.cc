#include "checkpoint/torch_zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include "checkpoint/unpickler.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// The formats that torch.load also takes, by their first bytes.
void refuse_other_formats(const ByteSource& source) {
  const std::string begin = source.read(0, std::min<uint64_t>(source.size(), 512));
  if (begin.starts_with("PK\x03\x04")) return;
  const auto refuse = [&](const char* found, const char* hint) {
    throw Error({.where = source.name(),
                 .expected = "a zip archive of torch.save",
                 .found = found,
                 .hint = hint});
  };
  constexpr const char* kResave = "load and save it again with torch 1.6 or newer";
  // A pickled LONG1 of ten bytes, 0x1950a86a20f9469cfc6c.
  if (begin.substr(0, 32).find("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") != begin.npos)
    refuse("the pickle format of torch before 1.6", kResave);
  if (begin.size() > 262 && begin.compare(257, 5, "ustar") == 0)
    refuse("the tar format of torch before 0.4", kResave);
  if (begin.starts_with("7z\xbc\xaf\x27\x1c")) refuse("a 7z archive", "unpack it first");
  if (begin.starts_with("version https://git-lfs"))
    refuse("a Git LFS pointer", "download the file itself");
  refuse("something else", "truncated, or not a checkpoint file?");
}

// Splits "ARCHIVE/rest"; every entry of one file has the same ARCHIVE.
std::string_view below_archive(const ZipEntry& entry, std::string_view archive,
                               const std::string& file) {
  const std::string_view name = entry.name;
  const bool climbs = ("/" + entry.name + "/").find("/../") != std::string::npos;
  if (!name.starts_with(archive) || name.size() <= archive.size() + 1 ||
      name[archive.size()] != '/' || climbs || name.find('\0') != name.npos ||
      name.find('\\') != name.npos)
    throw Error({.where = file,
                 .what = "zip entry",
                 .expected = fmt::format("a name inside \"{}/\"", archive),
                 .found = '"' + entry.name.substr(0, 60) + '"'});
  return name.substr(archive.size() + 1);
}

std::string read_pickle(const ByteSource& source, const ZipEntry& entry) {
  if (entry.bytes > PickleLimits::kBytes)
    throw Error({.where = source.name(),
                 .what = entry.name,
                 .expected = fmt::format("at most {} bytes", PickleLimits::kBytes),
                 .found = fmt::format("{}", entry.bytes)});
  std::string pickle = source.read(entry.offset, entry.bytes);
  const auto crc = static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(pickle.data()), static_cast<uInt>(pickle.size())));
  // torch.serialization.set_crc32_options(False) leaves every checksum 0.
  if (entry.crc32 != 0 && entry.crc32 != crc)
    throw Error({.where = source.name(),
                 .what = entry.name,
                 .expected = fmt::format("CRC-32 {:08x}", entry.crc32),
                 .found = fmt::format("{:08x}", crc),
                 .hint = "damaged?"});
  return pickle;
}

}  // namespace

TorchZip open_torch_zip(const ByteSource& source) {
  refuse_other_formats(source);
  const std::vector<ZipEntry> entries = read_zip_directory(source);
  const std::string& file = source.name();
  const std::string first = entries.empty() ? "" : entries.front().name;
  const std::string archive = first.substr(0, first.find('/'));

  TorchZip zip;
  const ZipEntry* pickle = nullptr;
  for (const ZipEntry& entry : entries) {
    const std::string_view name = below_archive(entry, archive, file);
    if (name == "data.pkl") pickle = &entry;
    if (name == "constants.pkl" || name.starts_with("code/"))
      throw Error({.where = file,
                   .expected = "tensors saved by torch.save",
                   .found = "a TorchScript program",
                   .hint = "save its state_dict() instead"});
    if (name == "byteorder" && (entry.bytes != 6 || source.read(entry.offset, 6) != "little"))
      throw Error({.where = file, .what = entry.name, .expected = "little", .found = "another"});
    if (name.starts_with("data/")) zip.storages.emplace(name.substr(5), entry);
  }
  if (pickle == nullptr)
    throw Error({.where = file, .expected = fmt::format("{}/data.pkl", archive), .found = "none"});
  zip.pickle = read_pickle(source, *pickle);
  return zip;
}

}  // namespace tessera
