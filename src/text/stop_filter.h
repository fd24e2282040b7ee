#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// Lets text through up to the first stop string, and holds back what may yet become one.
///
/// The stop that counts is the one that is complete first; of several that end at the same
/// character, the longest. So the result does not depend on how the text was cut into pushes.
/// Pushes are whole UTF-8 characters, and so is all that comes out. One thread.
class StopFilter {
 public:
  /// Throws UsageError on an empty stop string.
  explicit StopFilter(std::span<const std::string> stops);

  /// What is certainly no part of a stop string. Nothing once stopped().
  std::string push(std::string_view text);

  /// A stop string was completed; text after it is dropped.
  bool stopped() const { return stopped_; }
  const std::string& stop() const { return stop_; }  ///< which one; empty before that

  /// The end of the text: what was held back, as it became no stop string. Nothing if stopped().
  std::string finish();

 private:
  // One stop string and how much of it the text so far ends with (Knuth, Morris, Pratt 1977).
  struct Matcher {
    explicit Matcher(std::string stop_string);
    void step(char byte);

    std::string stop;
    std::vector<size_t> border;  // of stop[0..i]: the longest proper prefix that is also its suffix
    size_t matched = 0;
  };

  std::vector<Matcher> matchers_;
  std::string held_;  // the longest suffix of the text that begins a stop string
  std::string stop_;
  bool stopped_ = false;
};

}  // namespace tessera
