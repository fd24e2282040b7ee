#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace tessera {

/// A response as a test reads it.
struct RawResponse {
  int status = 0;  ///< 0: none came
  std::string head, body;
  bool whole = false;  ///< its end was seen

  /// The value of a header, written as the server writes it; empty: absent.
  std::string header(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

/// A client of HTTP down to its bytes: sends what it is told, right or wrong.
class RawClient {
 public:
  explicit RawClient(int port, const char* address = "127.0.0.1", int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    ::inet_pton(AF_INET, address, &to.sin_addr);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    if (!connected_) close();
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        input_(std::move(other.input_)) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() { close(); }

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void finish_sending() const { ::shutdown(fd_, SHUT_WR); }

  /// False when the server has closed its end.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  /// Waits for some bytes more; false at the end, and after `timeout_s`.
  bool receive(double timeout_s = 10) {
    pollfd wanted = {.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, static_cast<int>(timeout_s * 1e3)) <= 0) return false;
    char piece[65536];
    const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
    if (got <= 0) return ended_ = true, false;
    input_.append(piece, static_cast<size_t>(got));
    return true;
  }

  /// Whether the server ends the connection within so long; what it still sends is kept.
  bool ends(double timeout_s = 10) {
    const double deadline = now_s() + timeout_s;
    while (!ended_ && now_s() < deadline) (void)receive(deadline - now_s());
    return ended_;
  }

  /// Whether `text` is among what has come and not been read as a response, or comes.
  bool gets(const std::string& text, double timeout_s = 10) {
    const double deadline = now_s() + timeout_s;
    while (input_.find(text) == std::string::npos)
      if (now_s() > deadline || !receive(deadline - now_s())) return false;
    return true;
  }

  /// The next response; those to HEAD have no body, whatever they say of one.
  RawResponse response(bool to_head = false, double timeout_s = 10) {
    RawResponse response;
    size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos)
      if (!receive(timeout_s)) return response;
    response.head = input_.substr(0, end + 2);
    input_.erase(0, end + 4);
    response.status = std::atoi(response.head.c_str() + response.head.find(' '));
    if (response.status == 100) return response;
    if (to_head || response.status == 204) {
      response.whole = true;
    } else if (response.header("Transfer-Encoding") == "chunked") {
      read_chunks(response, timeout_s);
    } else if (const std::string length = response.header("Content-Length"); !length.empty()) {
      const size_t bytes = std::strtoul(length.c_str(), nullptr, 10);
      while (input_.size() < bytes && receive(timeout_s)) {
      }
      response.whole = input_.size() >= bytes;
      take(response.body, std::min(bytes, input_.size()));
    } else {
      while (receive(timeout_s)) {
      }
      response.whole = ended_;
      take(response.body, input_.size());
    }
    return response;
  }

  RawResponse ask(std::string_view request) {
    send(request);
    return response(request.starts_with("HEAD "));
  }
  RawResponse get(const std::string& path, const std::string& headers = "") {
    return ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
  }
  RawResponse post(const std::string& path, const std::string& body,
                   const std::string& headers = "") {
    return ask("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }

 private:
  void take(std::string& to, size_t bytes) {
    to += input_.substr(0, bytes);
    input_.erase(0, bytes);
  }

  void read_chunks(RawResponse& response, double timeout_s) {
    while (true) {
      size_t line = 0;
      while ((line = input_.find("\r\n")) == std::string::npos)
        if (!receive(timeout_s)) return;
      const size_t bytes = std::strtoul(input_.c_str(), nullptr, 16);
      while (input_.size() < line + 2 + bytes + 2)
        if (!receive(timeout_s)) return;
      input_.erase(0, line + 2);
      take(response.body, bytes);
      EXPECT_EQ(input_.substr(0, 2), "\r\n");
      input_.erase(0, 2);
      if (bytes == 0) {
        response.whole = true;
        return;
      }
    }
  }

  int fd_ = -1;
  bool connected_ = false, ended_ = false;
  std::string input_;
};

}  // namespace tessera
