#pragma once

#include <driver_types.h>

#include <functional>
#include <memory>

namespace tessera {

/// One record of an event. What waits for it holds it, whatever becomes of the event.
struct EventMark {
  int device = 0;
  bool passed = false;
  double time_us = 0;
};

/// One thing that a stream does.
struct StreamOp {
  std::function<cudaError_t()> body = {};  ///< on the executor's thread; may be empty
  double us = 0;                           ///< what it takes in virtual time
  std::shared_ptr<EventMark> awaited = nullptr;
  std::shared_ptr<EventMark> recorded = nullptr;
  double not_before_us = 0;
};

}  // namespace tessera
