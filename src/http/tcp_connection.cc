#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "http/connection.h"

namespace tessera {
namespace {

using boost::system::error_code;

auto told(Connection::Done done) {
  return [done = std::move(done)](const error_code& error, size_t bytes) { done(!error, bytes); };
}

class TcpConnection : public Connection {
 public:
  TcpConnection(Descriptor socket, boost::asio::io_context& context)
      : socket_(context), fd_(socket.fd()) {
    const int fd = fd_;
    socket_.assign(boost::asio::generic::stream_protocol(AF_INET, IPPROTO_TCP), fd);
    (void)socket.release();  // not before: assign throws when the system can watch no more
    error_code ignored;
    socket_.non_blocking(true, ignored);
    // Each token goes out at once; and whoever is cut off without a word is noticed some day.
    const int on = 1, idle_s = 60, interval_s = 15, probes = 4;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  }

  void handshake(Done done) override {
    boost::asio::post(socket_.get_executor(), [done = std::move(done)] { done(true, 0); });
  }

  void read(std::span<char> into, Done done) override {
    socket_.async_read_some(boost::asio::buffer(into.data(), into.size()), told(std::move(done)));
  }

  void write(std::string_view bytes, Done done) override {
    socket_.async_write_some(boost::asio::buffer(bytes.data(), bytes.size()),
                             told(std::move(done)));
  }

  size_t write_now(std::string_view bytes) override {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? static_cast<size_t>(sent) : 0;  // a failure is met by the next write()
  }

  void finish_writing() override {
    error_code ignored;
    socket_.shutdown(boost::asio::socket_base::shutdown_send, ignored);
  }

  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  boost::asio::generic::stream_protocol::socket socket_;
  const int fd_;  // its own
};

}  // namespace

std::shared_ptr<Connection> make_tcp_connection(Descriptor socket, IoThread& thread) {
  return std::make_shared<TcpConnection>(std::move(socket), thread.context());
}

}  // namespace tessera
