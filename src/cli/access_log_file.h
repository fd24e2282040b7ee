#pragma once

#include <string>

#include "cli/console.h"
#include "http/access_log.h"

namespace tessera {

/// Where lines about requests go: a file that is appended to, or stderr. A line that cannot be
/// written is dropped, and the first of a row of such is told on the console.
class AccessLogFile {
 public:
  /// `path`: "-" is stderr, empty nowhere. Throws Error when the file cannot be opened.
  AccessLogFile(const std::string& path, Console& console);
  ~AccessLogFile();
  AccessLogFile(const AccessLogFile&) = delete;
  AccessLogFile& operator=(const AccessLogFile&) = delete;

  /// For one thread; the object must outlive it.
  AccessLog::Writer writer();

 private:
  void write(std::string_view line);

  const std::string path_;
  Console& console_;
  int fd_ = -1;
  bool failing_ = false;
};

}  // namespace tessera
