#include "device/link.h"

#include <algorithm>

namespace tessera {

Link link_between(const Device* a, const Device* b) {
  Link link;
  if (a == b) return link;
  for (const Device* end : {a, b}) {
    if (end == nullptr) continue;
    const double bytes_per_s = end->info().link_bytes_per_s;
    if (bytes_per_s > 0 && (link.bytes_per_s == 0 || bytes_per_s < link.bytes_per_s))
      link.bytes_per_s = bytes_per_s;
    link.latency_s = std::max(link.latency_s, end->info().link_latency_s);
  }
  return link;
}

}  // namespace tessera
