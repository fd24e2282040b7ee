#include "http/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace tessera {
namespace {

// Copies: a sockaddr may lie anywhere.
template <typename Address>
Address as(const sockaddr* address) {
  Address copy = {};
  std::memcpy(&copy, address, sizeof copy);
  return copy;
}

template <typename Bytes>
std::string numeric(int family, const Bytes& bytes) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  return ::inet_ntop(family, &bytes, text.data(), text.size()) == nullptr ? "?" : text.data();
}

in_addr inner_ipv4(const in6_addr& address) {
  in_addr inner = {};
  std::memcpy(&inner, &address.s6_addr[12], sizeof inner);
  return inner;
}

bool is_loopback_ipv4(in_addr address) {
  return (ntohl(address.s_addr) >> 24U) == 127;
}

ClientAddress of_ipv4(in_addr address) {
  const std::string text = numeric(AF_INET, address);
  return {.text = text, .network = text};
}

}  // namespace

ClientAddress client_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) return of_ipv4(as<sockaddr_in>(address).sin_addr);
  if (address->sa_family != AF_INET6) return {.text = "?", .network = "?"};
  in6_addr six = as<sockaddr_in6>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&six)) return of_ipv4(inner_ipv4(six));
  ClientAddress client = {.text = numeric(AF_INET6, six), .network = {}};
  std::memset(&six.s6_addr[8], 0, 8);
  client.network = numeric(AF_INET6, six);
  return client;
}

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) return is_loopback_ipv4(as<sockaddr_in>(address).sin_addr);
  if (address->sa_family != AF_INET6) return false;
  const in6_addr six = as<sockaddr_in6>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&six)) return is_loopback_ipv4(inner_ipv4(six));
  return IN6_IS_ADDR_LOOPBACK(&six);
}

}  // namespace tessera
