#pragma once

#include "device/link.h"

namespace tessera {

/// What a link carries in one direction, timed by copies as a pipeline makes them: on the stream of
/// the device that sends, or of the one that is sent to from the host; host memory (null) is that
/// of allocate_host. Takes some milliseconds, and of each device's memory a sixteenth, at most 32
/// MiB: to be called before they are filled. Throws Error when there is no room, or a device is
/// lost.
Link measure_link(Device* from, Device* to);

}  // namespace tessera
