#pragma once

#include <string>

struct sockaddr;

namespace tessera {

/// Where a client comes from.
struct ClientAddress {
  std::string text;  ///< "127.0.0.1", "2001:db8::1": for logs
  /// Whose connections are counted together: an IPv4 address, or an IPv6 network of 64 bits, of
  /// which one customer has all addresses.
  std::string network;
};

/// Of an AF_INET or AF_INET6 address; an IPv4 address inside an IPv6 one is an IPv4 address.
ClientAddress client_address(const sockaddr* address);

/// Whether it is of this machine and of no network.
bool is_loopback(const sockaddr* address);

}  // namespace tessera
