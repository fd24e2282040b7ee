#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "cli/line_reader.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr size_t kMaxLineBytes = size_t{1} << 20;

class PlainReader final : public LineReader {
 public:
  explicit PlainReader(int fd) : fd_(fd) {}

  Line next() override {
    size_t end = 0;
    while ((end = buffer_.find('\n')) == buffer_.npos) {
      if (buffer_.size() > kMaxLineBytes)
        throw Error({.where = "stdin",
                     .what = "a line",
                     .expected = "at most 1 MiB",
                     .found = "more than that"});
      if (!read_more()) {
        if (buffer_.empty()) return {.kind = Line::Kind::kEnd};
        end = buffer_.size();
        break;
      }
    }
    Line line{.text = buffer_.substr(0, end)};
    buffer_.erase(0, end + 1);
    if (line.text.ends_with('\r')) line.text.pop_back();
    return line;
  }

 private:
  // False at the end of the input.
  bool read_more() {
    std::array<char, 4096> piece;
    ssize_t got = 0;
    do {
      got = ::read(fd_, piece.data(), piece.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0)
      throw Error(
          {.where = "stdin", .what = "cannot read: " + std::generic_category().message(errno)});
    buffer_.append(piece.data(), static_cast<size_t>(got));
    return got > 0;
  }

  const int fd_;
  std::string buffer_;
};

}  // namespace

std::unique_ptr<LineReader> make_plain_reader(int fd) {
  return std::make_unique<PlainReader>(fd);
}

}  // namespace tessera
