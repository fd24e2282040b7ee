#pragma once

#include <unistd.h>

#include <utility>

namespace tessera {

/// Owns a file descriptor. Moves; does not copy.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }  ///< the caller's from now on

 private:
  int fd_;
};

}  // namespace tessera
