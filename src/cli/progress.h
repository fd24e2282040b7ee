#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/console.h"

namespace tessera {

/// "loading [#####-----]  50 %  1.00 of 2.00 GiB  1.07 GB/s  1.0 s left", at most `columns` wide:
/// the bar gives way first, then the parts at the end.
std::string format_progress(std::string_view doing, uint64_t done_bytes, uint64_t total_bytes,
                            double elapsed_s, int columns);

/// Shows how far a load (or what else is `doing`) is: as the console's status line on a terminal,
/// else, when verbose, as a line every tenth. Called by one thread at a time.
class LoadProgressView {
 public:
  explicit LoadProgressView(Console& console, std::string doing = "loading")
      : console_(console), doing_(std::move(doing)) {}
  void show(uint64_t done_bytes, uint64_t total_bytes, double elapsed_s);

 private:
  Console& console_;
  const std::string doing_;
  uint64_t tenths_said_ = 0;
};

}  // namespace tessera
