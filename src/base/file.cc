#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/positional_io.h"
#include "base/system_error.h"
#include "tessera/error.h"

namespace tessera {
namespace {

struct Opened {
  int fd;
  uint64_t size;
};

Opened open_regular(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer. It changes nothing on files.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw_system_error(path, "open", errno);
  struct stat info = {};
  if (::fstat(fd, &info) != 0) {
    const int code = errno;
    ::close(fd);
    throw_system_error(path, "stat", code);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    throw Error({.where = path,
                 .expected = "a regular file",
                 .found = S_ISDIR(info.st_mode) ? "a directory" : "a special file"});
  }
  return {fd, static_cast<uint64_t>(info.st_size)};
}

}  // namespace

File::File(std::string path, int fd, uint64_t size)
    : path_(std::move(path)), fd_(fd), size_(size) {}

File File::open(const std::string& path) {
  const Opened opened = open_regular(path);
  return {path, opened.fd, opened.size};
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void File::read_at(uint64_t offset, std::span<std::byte> out) const {
  const ReadResult got = read_all_at(fd_, offset, out);
  if (got.code != 0) throw_system_error(path_, "read", got.code);
  if (got.bytes < out.size())
    throw Error({.where = path_,
                 .what = "ends too early",
                 .expected = fmt::format("{} more bytes at offset {}", out.size() - got.bytes,
                                         offset + got.bytes),
                 .found = "the end of the file",
                 .hint = "was the download complete?"});
}

MappedFile MappedFile::open(const std::string& path) {
  const Opened opened = open_regular(path);
  MappedFile file;
  file.path_ = path;
  if (opened.size > 0) {
    void* at = ::mmap(nullptr, opened.size, PROT_READ, MAP_PRIVATE, opened.fd, 0);
    const int code = errno;
    ::close(opened.fd);
    if (at == MAP_FAILED) throw_system_error(path, "map", code);
    // A wish. Where the file system has large folios, the file then comes into memory in pages of
    // 2 MiB, which are mapped sooner than those of 4 KiB and missed less often.
    ::madvise(at, opened.size, MADV_HUGEPAGE);
    file.bytes_ = {static_cast<const std::byte*>(at), opened.size};
  } else {
    ::close(opened.fd);
  }
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void read_in(std::span<const std::byte> mapped, const std::string& path) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t before = reinterpret_cast<uintptr_t>(mapped.data()) % page;
  std::byte* begin = const_cast<std::byte*>(mapped.data()) - before;
  const size_t bytes = mapped.size() + before;
#ifdef MADV_POPULATE_READ
  int status = 0;
  do {
    status = ::madvise(begin, bytes, MADV_POPULATE_READ);
  } while (status != 0 && errno == EINTR);
  if (status == 0) return;
  if (errno == EFAULT)
    throw Error({.where = path,
                 .what = "the file has shrunk since it was opened, or its disk cannot read it"});
  if (errno != EINVAL) throw_system_error(path, "read", errno);
#endif
  // Linux before 5.14 has no such call: the pages are only wished for, and map when touched.
  ::madvise(begin, bytes, MADV_WILLNEED);
}

std::string read_file(const std::string& path, uint64_t max_bytes) {
  const File file = File::open(path);
  if (file.size() > max_bytes)
    throw Error({.where = path,
                 .what = "file size",
                 .expected = fmt::format("at most {} bytes", max_bytes),
                 .found = fmt::format("{} bytes", file.size())});
  std::string content(file.size(), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(content)));
  return content;
}

void write_file_atomic(const std::string& path, std::string_view content) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkstemp(temporary.data());
  if (fd < 0) throw_system_error(path, "create", errno);
  const auto give_up = [&](const char* doing, int code) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw_system_error(path, doing, code);
  };
  // mkstemp makes the file private; a result file follows the user's umask like any other.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0) give_up("set the mode of", errno);
  const int code = write_all_at(fd, 0, std::as_bytes(std::span(content)));
  if (code != 0) give_up("write", code);
  if (::fsync(fd) != 0) give_up("flush", errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("rename to", errno);
  ::close(fd);
}

bool file_exists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool directory_exists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string path_inside(const std::string& dir, const std::string& name, const std::string& where) {
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = std::string_view(name).substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos)
      throw Error({.where = where,
                   .what = "file name",
                   .expected = "a path inside the model folder",
                   .found = '"' + name + '"'});
    begin = end + 1;
  }
  return dir + "/" + name;
}

}  // namespace tessera
