#include "http/listening_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/system_error.h"
#include "http/client_address.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int kMaxPort = 65535;
constexpr size_t kMaxAddresses = 8;

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, int port) {
  if (port < 0 || port > kMaxPort)
    throw UsageError({.where = "port",
                      .expected = fmt::format("0 to {}", kMaxPort),
                      .found = fmt::format("{}", port)});
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code =
      host.empty() ? EAI_NONAME
                   : ::getaddrinfo(host.c_str(), fmt::format("{}", port).c_str(), &wanted, &found);
  if (code != 0)
    throw UsageError({.where = "host",
                      .expected = "an address or a name of this machine",
                      .found = fmt::format("\"{}\": {}", host, ::gai_strerror(code))});
  return Addresses(found);
}

void set_port(sockaddr* address, int port) {
  const auto wire = htons(static_cast<uint16_t>(port));
  if (address->sa_family == AF_INET)
    std::memcpy(reinterpret_cast<char*>(address) + offsetof(sockaddr_in, sin_port), &wire,
                sizeof wire);
  if (address->sa_family == AF_INET6)
    std::memcpy(reinterpret_cast<char*>(address) + offsetof(sockaddr_in6, sin6_port), &wire,
                sizeof wire);
}

Descriptor listen_on_address(const addrinfo& info, const std::string& name) {
  Descriptor socket(
      ::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (socket.fd() < 0) throw_system_error(name, "make a socket for", errno);
  const int on = 1, off = 0;
  // A server that is started again does not wait for the old connections' last packets.
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info.ai_family == AF_INET6)
    ::setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket.fd(), info.ai_addr, info.ai_addrlen) != 0 ||
      ::listen(socket.fd(), SOMAXCONN) != 0)
    throw_system_error(name, "listen on", errno,
                       errno == EADDRINUSE ? "another server has this port" : "");
  return socket;
}

}  // namespace

int port_of(const Descriptor& socket) {
  sockaddr_storage address = {};
  socklen_t bytes = sizeof address;
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return 0;
  uint16_t wire = 0;
  const size_t offset = address.ss_family == AF_INET ? offsetof(sockaddr_in, sin_port)
                                                     : offsetof(sockaddr_in6, sin6_port);
  std::memcpy(&wire, reinterpret_cast<const char*>(&address) + offset, sizeof wire);
  return ntohs(wire);
}

ListeningSockets listen_on(const std::string& host, int port) {
  const Addresses addresses = resolve(host, port);
  ListeningSockets all;
  for (addrinfo* info = addresses.get(); info != nullptr; info = info->ai_next) {
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6) continue;
    if (all.sockets.size() == kMaxAddresses) break;
    if (!all.sockets.empty()) set_port(info->ai_addr, port_of(all.sockets.front()));
    try {
      all.sockets.push_back(listen_on_address(*info, fmt::format("{}:{}", host, port)));
    } catch (const Error&) {
      // "localhost" is ::1, too, on machines that have no IPv6: one address is enough.
      if (all.sockets.empty() && info->ai_next == nullptr) throw;
      continue;
    }
    all.loopback = all.loopback && is_loopback(info->ai_addr);
  }
  return all;
}

bool is_loopback_host(const std::string& host) {
  const Addresses addresses = resolve(host, 0);
  bool loopback = true;
  for (const addrinfo* info = addresses.get(); info != nullptr; info = info->ai_next)
    loopback = loopback && is_loopback(info->ai_addr);
  return loopback;
}

}  // namespace tessera
