#pragma once

#include <string>
#include <vector>

#include "http/descriptor.h"

namespace tessera {

struct ListeningSockets {
  std::vector<Descriptor> sockets;  ///< one for each address of the host, all on one port
  bool loopback = true;             ///< none of them can be reached from another machine
};

/// Which port a socket listens on.
int port_of(const Descriptor& socket);

/// Listens on `host`: an address of this machine ("127.0.0.1", "::", which stands for IPv4's, too)
/// or a name of it ("localhost"). Port 0: any that is free. Throws UsageError for a host or port
/// that is none, and Error when the system refuses.
ListeningSockets listen_on(const std::string& host, int port);

/// Whether all addresses of `host` are of this machine alone. Throws like listen_on.
bool is_loopback_host(const std::string& host);

}  // namespace tessera
