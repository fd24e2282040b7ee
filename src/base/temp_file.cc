#include "base/temp_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/positional_io.h"
#include "base/system_error.h"
#include "base/units.h"

namespace tessera {
namespace {

std::string temporary_folder() {
  const char* folder = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return folder != nullptr && folder[0] != '\0' ? folder : "/tmp";
}

[[noreturn]] void throw_temp_error(const std::string& folder, const std::string& doing, int code) {
  throw_system_error(folder, doing, code, "TMPDIR names another folder");
}

int open_nameless(const std::string& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
  // A file system without O_TMPFILE: the name is taken away at once.
  std::string name = folder + "/tessera.XXXXXX";
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

}  // namespace

TempFile::TempFile(uint64_t bytes) : folder_(temporary_folder()), size_(bytes) {
  const int fd = open_nameless(folder_);
  if (fd < 0) throw_temp_error(folder_, "create a temporary file", errno);
  // Writing into a hole of a full disk would fail only then, after all the work so far.
  const int code = bytes == 0 ? 0 : ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (code != 0) {
    ::close(fd);
    throw_temp_error(folder_, "set aside a temporary file of " + format_bytes(bytes), code);
  }
  fd_ = fd;
}

TempFile::TempFile(TempFile&& other) noexcept
    : folder_(std::move(other.folder_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

TempFile::~TempFile() {
  if (fd_ >= 0) ::close(fd_);
}

void TempFile::write_at(uint64_t offset, std::span<const std::byte> data) {
  assert(offset + data.size() <= size_);
  const int code = write_all_at(fd_, offset, data);
  if (code != 0) throw_temp_error(folder_, "write a temporary file", code);
}

void TempFile::read_at(uint64_t offset, std::span<std::byte> out) const {
  assert(offset + out.size() <= size_);
  const ReadResult got = read_all_at(fd_, offset, out);
  if (got.bytes < out.size())
    throw_temp_error(folder_, "read a temporary file", got.code != 0 ? got.code : EIO);
}

}  // namespace tessera
