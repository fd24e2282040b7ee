#pragma once

#include "http/http.h"

namespace tessera {

/// The head of a response that is a stream of server-sent events. Proxies are asked not to hold
/// them back.
inline HttpResponse event_stream_head() {
  return {.content_type = "text/event-stream; charset=utf-8",
          .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
}

}  // namespace tessera
