#include "cli/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tessera/error.h"

namespace tessera {

bool Output::write(std::string_view text, const CancelFlag* cancel) {
  while (error_ == 0 && !text.empty()) {
    const ssize_t wrote = ::write(fd_, text.data(), text.size());
    if (wrote >= 0) {
      text.remove_prefix(static_cast<size_t>(wrote));
      continue;
    }
    const int code = errno;
    if (code == EAGAIN) {  // a pipe that its other user made non-blocking
      pollfd room = {.fd = fd_, .events = POLLOUT, .revents = 0};
      (void)::poll(&room, 1, -1);
    } else if (code != EINTR) {
      error_ = code;
    }
    if (cancel != nullptr && cancel->cancelled()) return false;
  }
  return error_ == 0;
}

void Output::check() const {
  if (error_ != 0 && error_ != EPIPE)
    throw Error(
        {.where = "stdout", .what = "cannot write: " + std::generic_category().message(error_)});
}

}  // namespace tessera
