#pragma once

#include "device/link.h"

namespace tessera {

/// What a link carries in one direction, timed by copies as a pipeline makes them: on the stream of
/// the device that sends, or of the one that is sent to from the host; host memory (null) is that
/// of allocate_host. Takes some milliseconds, and up to 16 MiB of each device: to be called before
/// they are filled. Throws Error when a device has no room for a measurement, or is lost.
Link measure_link(Device* from, Device* to);

}  // namespace tessera
