#include "text/stop_filter.h"

#include <algorithm>
#include <utility>

#include "tessera/error.h"

namespace tessera {

StopFilter::Matcher::Matcher(std::string stop_string)
    : stop(std::move(stop_string)), border(stop.size(), 0) {
  for (size_t i = 1, length = 0; i < stop.size(); ++i) {
    while (length > 0 && stop[i] != stop[length]) length = border[length - 1];
    if (stop[i] == stop[length]) ++length;
    border[i] = length;
  }
}

void StopFilter::Matcher::step(char byte) {
  while (matched > 0 && stop[matched] != byte) matched = border[matched - 1];
  if (stop[matched] == byte) ++matched;
}

StopFilter::StopFilter(std::span<const std::string> stops) {
  for (const std::string& stop : stops) {
    if (stop.empty())
      throw UsageError({.where = "stop strings", .expected = "text", .found = "an empty string"});
    matchers_.emplace_back(stop);
  }
}

std::string StopFilter::push(std::string_view text) {
  if (stopped_ || text.empty()) return "";
  held_.reserve(held_.size() + text.size());
  size_t keep = 0;  // of held_ at its end: what may yet become a stop string
  for (const char byte : text) {
    held_.push_back(byte);
    keep = 0;
    const Matcher* complete = nullptr;
    for (Matcher& matcher : matchers_) {
      matcher.step(byte);
      keep = std::max(keep, matcher.matched);
      if (matcher.matched == matcher.stop.size() &&
          (complete == nullptr || matcher.stop.size() > complete->stop.size()))
        complete = &matcher;
    }
    if (complete != nullptr) {
      stopped_ = true;
      stop_ = complete->stop;
      held_.resize(held_.size() - stop_.size());
      return std::exchange(held_, {});
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopFilter::finish() {
  for (Matcher& matcher : matchers_) matcher.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace tessera
