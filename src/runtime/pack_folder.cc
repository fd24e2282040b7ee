#include "runtime/pack_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/new_file.h"
#include "base/system_error.h"
#include "base/units.h"
#include "tessera/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_system_error(path, "make the folder", error.value());
}

int lock_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_system_error(path, "open", errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int code = errno;
  ::close(fd);
  if (code != EWOULDBLOCK) throw_system_error(path, "lock", code);
  throw Error({.where = path, .what = "another tessera pack is writing here"});
}

void write_whole(const std::string& path, const std::string& text) {
  NewFile file(path);
  file.write_at(0, text);
  file.commit();
}

std::string describe(const PackedManifest& copy) {
  return fmt::format("{} in {} (layout {}, {})", copy.source, precision_name(copy.precision),
                     copy.layout_version, copy.fingerprint);
}

bool same_copy(const PackedManifest& a, const PackedManifest& b) {
  return a.layout_version == b.layout_version && a.fingerprint == b.fingerprint &&
         a.precision == b.precision;
}

void require_own(const std::string& path, const PackedManifest& wanted) {
  for (const char* name : {kPackedManifestName, kPackingMarkerName}) {
    const std::optional<PackedManifest> there = find_packed_manifest(path, name);
    if (!there) continue;
    if (same_copy(*there, wanted)) return;
    throw Error({.where = path,
                 .expected = "an empty folder, or this copy begun: " + describe(wanted),
                 .found = "a copy of " + describe(*there),
                 .hint = "choose another folder, or delete this one"});
  }
  std::error_code error;
  const fs::directory_iterator entries(path, error);
  if (error) throw_system_error(path, "list", error.value());
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name == std::string(kPackingMarkerName) + ".part") continue;  // a crash at the first moment
    throw Error({.where = path,
                 .expected = "an empty folder, or one to make",
                 .found = "one that holds " + name,
                 .hint = "tessera pack writes into no folder that it did not begin"});
  }
}

}  // namespace

PackFolder::PackFolder(std::string path, const PackedManifest& wanted) : path_(std::move(path)) {
  make_folder(path_);
  lock_ = lock_folder(path_);
  try {
    require_own(path_, wanted);
    PackedManifest begun = wanted;
    begun.units.clear();
    begun.others.clear();
    write_whole(this->path(kPackingMarkerName), packed_manifest_text(begun));
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

PackFolder::~PackFolder() {
  ::close(lock_);
}

std::string PackFolder::make_path(const std::string& file) const {
  std::string whole = path(file);
  make_folder(whole.substr(0, whole.rfind('/')));
  return whole;
}

void PackFolder::require_space(uint64_t bytes) const {
  const uint64_t free = free_disk_bytes(path_);
  if (bytes > free)
    throw Error({.where = path_,
                 .what = "disk space",
                 .expected = format_bytes(bytes) + " for what is still to be written",
                 .found = format_bytes(free) + " free"});
}

void PackFolder::finish(const PackedManifest& manifest) const {
  write_whole(path(kPackedManifestName), packed_manifest_text(manifest));
  ::unlink(path(kPackingMarkerName).c_str());
}

}  // namespace tessera
