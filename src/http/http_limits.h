#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace tessera {

/// What the server grants to strangers. Whoever goes beyond one is told which, and its value.
struct HttpLimits {
  size_t header_bytes = 32 * kKiB;  ///< the request line and the headers together: 431
  size_t headers = 100;             ///< 431
  size_t target_bytes = 8 * kKiB;   ///< path and query: 414
  uint64_t body_bytes = 64 * kMiB;  ///< 413
  /// Bodies of all requests that are held at one time: 503.
  uint64_t bodies_bytes = 512 * kMiB;

  int connections = 1024;             ///< 503
  int connections_of_address = 256;   ///< of one IPv4 address or IPv6 /64: 429
  int workers = 4;                    ///< threads that run handlers
  size_t waiting_for_a_worker = 256;  ///< requests: 503

  double handshake_s = 10;          ///< for TLS
  double header_s = 10;             ///< from a request's first byte to the end of its headers: 408
  double body_s = 10;               ///< for a body, and besides ...
  double body_bytes_per_s = 4096;   ///< ... what its bytes take at this rate: 408
  double idle_s = 60;               ///< between two requests
  double write_s = 20;              ///< for a client to accept bytes, and besides ...
  double write_bytes_per_s = 1024;  ///< ... what they take at this rate; then it is dropped
  double linger_s = 2;              ///< after the last answer, for the client to close
  size_t backlog_bytes =
      4 * kMiB;  ///< of a streamed answer that nobody fetches; then it is dropped
};

}  // namespace tessera
