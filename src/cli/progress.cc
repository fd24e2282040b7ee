#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/units.h"

namespace tessera {
namespace {

constexpr int kWidestBar = 30, kNarrowestBar = 8;

double share_of(uint64_t done, uint64_t total) {
  return total == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

}  // namespace

std::string format_progress(std::string_view doing, uint64_t done_bytes, uint64_t total_bytes,
                            double elapsed_s, int columns) {
  const double share = share_of(done_bytes, total_bytes);
  std::vector<std::string> parts = {
      fmt::format("{:3.0f} %", 100 * share),
      fmt::format("{} of {}", format_bytes(done_bytes), format_bytes(total_bytes))};
  if (elapsed_s > 0 && done_bytes > 0) {
    const double rate = static_cast<double>(done_bytes) / elapsed_s;
    parts.push_back(format_bandwidth(rate));
    if (done_bytes < total_bytes)
      parts.push_back(format_duration(static_cast<double>(total_bytes - done_bytes) / rate) +
                      " left");
  }

  const int room = columns - 1;  // a terminal wraps when its last column is written
  std::string line(doing);
  std::string tail;
  for (const std::string& part : parts)
    if (line.size() + tail.size() + part.size() + 2 <= static_cast<size_t>(std::max(room, 16)))
      tail += "  " + part;
  const int bar = std::min(kWidestBar, room - static_cast<int>(line.size() + tail.size()) - 3);
  if (bar >= kNarrowestBar) {
    const auto filled = static_cast<size_t>(share * bar);
    line +=
        " [" + std::string(filled, '#') + std::string(static_cast<size_t>(bar) - filled, '-') + "]";
  }
  return line + tail;
}

void LoadProgressView::show(uint64_t done_bytes, uint64_t total_bytes, double elapsed_s) {
  if (console_.on_terminal()) {
    console_.status(
        format_progress(doing_, done_bytes, total_bytes, elapsed_s, console_.columns()));
    return;
  }
  const auto tenths = static_cast<uint64_t>(10 * share_of(done_bytes, total_bytes));
  if (tenths <= tenths_said_) return;
  tenths_said_ = tenths;
  console_.say_verbose(
      format_progress(doing_, done_bytes, total_bytes, elapsed_s, console_.columns()));
}

}  // namespace tessera
