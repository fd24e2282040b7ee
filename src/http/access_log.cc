#include "http/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cctype>
#include <exception>

#include "base/json.h"

namespace tessera {
namespace {

constexpr size_t kMaxWaiting = 4096;

std::string time_text(int64_t time_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(time_ms / 1000)), time_ms % 1000);
}

// A field of a line of text: one word, whatever a client has put into it.
std::string word(std::string_view text) {
  if (text.empty()) return "-";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '"' || c == '\\') {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string access_text(const AccessEntry& e) {
  return fmt::format("{} {} {} {} \"{} {}\" {} {} B {:.1f} ms{}", time_text(e.time_ms), word(e.id),
                     word(e.client), word(e.user), word(e.method), word(e.path), e.status, e.bytes,
                     e.ms, e.complete ? "" : " incomplete");
}

std::string access_json(const AccessEntry& e) {
  Json line = {{"time", time_text(e.time_ms)},
               {"id", e.id},
               {"client", e.client},
               {"user", e.user},
               {"method", e.method},
               {"path", e.path},
               {"status", e.status},
               {"bytes", e.bytes},
               {"ms", std::round(e.ms * 10) / 10},
               {"complete", e.complete}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

AccessLog::AccessLog(Writer writer, bool json) : writer_(std::move(writer)), json_(json) {
  if (writer_) thread_ = std::thread([this] { write_all(); });
}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AccessLog::add(AccessEntry entry) {
  if (!writer_) return;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) {
      ++lost_;
      return;
    }
    waiting_.push_back(std::move(entry));
  }
  filled_.notify_one();
}

void AccessLog::write(const std::string& line) const {
  try {
    writer_(line);
  } catch (...) {
    // There is nobody to tell: this is where things are told.
  }
}

void AccessLog::write_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::deque<AccessEntry> entries;
    entries.swap(waiting_);
    const uint64_t lost = std::exchange(lost_, 0);
    lock.unlock();
    for (const AccessEntry& entry : entries) write(json_ ? access_json(entry) : access_text(entry));
    if (lost > 0)
      write(json_ ? Json{{"lost_lines", lost}}.dump() : fmt::format("{} lines are lost", lost));
    lock.lock();
  }
}

}  // namespace tessera
