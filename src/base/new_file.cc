#include "base/new_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/positional_io.h"
#include "base/system_error.h"

namespace tessera {
namespace {

// The name of a file that was renamed is on the disk once its folder is.
void flush_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_system_error(folder, "open", errno);
  const int status = ::fsync(fd), code = errno;
  ::close(fd);
  // EINVAL: a file system that has no such thing, and needs none.
  if (status != 0 && code != EINVAL) throw_system_error(folder, "flush", code);
}

}  // namespace

NewFile::NewFile(std::string path) : path_(std::move(path)), part_(path_ + ".part") {
  fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd_ < 0) throw_system_error(part_, "create", errno);
}

NewFile::~NewFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(part_.c_str());
}

void NewFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  const int code = write_all_at(fd_, offset, bytes);
  if (code != 0) throw_system_error(path_, "write", code);
}

void NewFile::commit() {
  if (::fsync(fd_) != 0) throw_system_error(path_, "flush", errno);
  if (::rename(part_.c_str(), path_.c_str()) != 0) throw_system_error(path_, "rename to", errno);
  ::close(std::exchange(fd_, -1));
  flush_folder_of(path_);
}

uint64_t free_disk_bytes(const std::string& dir) {
  struct statvfs info = {};
  if (::statvfs(dir.c_str(), &info) != 0) throw_system_error(dir, "ask for free space in", errno);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace tessera
