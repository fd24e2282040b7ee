#include "cli/access_log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/system_error.h"

namespace tessera {

AccessLogFile::AccessLogFile(const std::string& path, Console& console)
    : path_(path), console_(console) {
  if (path.empty()) return;
  fd_ = path == "-" ? STDERR_FILENO
                    : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd_ < 0) throw_system_error(path, "cannot open the access log", errno);
}

AccessLogFile::~AccessLogFile() {
  if (fd_ > STDERR_FILENO) ::close(fd_);
}

AccessLog::Writer AccessLogFile::writer() {
  if (fd_ < 0) return {};
  return [this](std::string_view line) { write(line); };
}

// One write for a line, so that those of several programs do not mix.
void AccessLogFile::write(std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  const bool written = ::write(fd_, whole.data(), whole.size()) == std::ssize(whole);
  if (!written && !failing_) console_.say(path_ + ": lines of the access log are lost");
  failing_ = !written;
}

}  // namespace tessera
