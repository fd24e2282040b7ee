#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace tessera {

/// One request as the log tells it: nothing of what was asked or answered, and no query, which may
/// hold secrets.
struct AccessEntry {
  int64_t time_ms = 0;  ///< since 1970, when it began
  std::string id, client, user, method, path;
  int status = 0;        ///< 499: the client left before the answer began
  uint64_t bytes = 0;    ///< of the answer's body, sent
  double ms = 0;         ///< from its first byte to the answer's last
  bool complete = true;  ///< false: the client left or was dropped before the end
};

/// 2024-05-01T10:20:30.123Z id client user "GET /path" 200 1234 B 5.6 ms
std::string access_text(const AccessEntry& entry);
/// The same as one JSON object: {"time":..,"id":..,..}.
std::string access_json(const AccessEntry& entry);

/// Hands lines to a writer on a thread of its own: a slow disk delays no request, a full one fails
/// none. What waits beyond 4096 lines is dropped, and a line says how many were.
class AccessLog {
 public:
  /// May throw: it is then given up for that line. Called by one thread.
  using Writer = std::function<void(std::string_view line)>;

  /// An empty writer: nothing is kept.
  AccessLog(Writer writer, bool json);
  ~AccessLog();  ///< writes what waits
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void add(AccessEntry entry);  ///< any thread; returns at once

 private:
  void write_all();
  void write(const std::string& line) const;

  const Writer writer_;
  const bool json_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<AccessEntry> waiting_;
  uint64_t lost_ = 0;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace tessera
