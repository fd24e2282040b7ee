#include "cuda_emulator/nan_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/system_error.h"
#include "cuda_emulator/sanitizers.h"

namespace tessera {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kFileBytes = 16 << 20;

[[noreturn]] void throw_mapping_error() {
  throw_system_error("CUDA emulator", "map memory", errno);
}

int make_nan_file() {
  const int file = memfd_create("nan", MFD_CLOEXEC);
  const std::vector<unsigned char> nan(kFileBytes, 0xff);
  if (file < 0 || write(file, nan.data(), nan.size()) != static_cast<ssize_t>(nan.size()))
    throw_mapping_error();
  return file;
}

int nan_file() {
  static const int file = make_nan_file();
  return file;
}

size_t mapped_bytes(size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes + kPageBytes;
}

}  // namespace

NanPages map_nan_pages(size_t bytes) {
  const int file = nan_file();
  const size_t mapped = mapped_bytes(bytes);
  void* const data =
      mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) throw_mapping_error();
  NanPages pages(data, {bytes});
  auto* const start = static_cast<std::byte*>(data);
  const size_t usable = mapped - kPageBytes;
  for (size_t at = 0; at < usable; at += kFileBytes) {
    if (mmap(start + at, std::min(kFileBytes, usable - at), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file, 0) == MAP_FAILED)
      throw_mapping_error();
  }
  asan_poison(start + bytes, mapped - bytes);
  return pages;
}

void allow_access(const NanPages& pages, bool allowed) {
  const size_t usable = mapped_bytes(pages.get_deleter().bytes) - kPageBytes;
  if (mprotect(pages.get(), usable, allowed ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
    throw_mapping_error();
}

void FreeNanPages::operator()(void* data) const {
  const size_t mapped = mapped_bytes(bytes);
  asan_unpoison(data, mapped);
  munmap(data, mapped);
}

}  // namespace tessera
