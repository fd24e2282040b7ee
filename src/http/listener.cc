#include "http/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace tessera {
namespace {

constexpr int kAcceptedAtOnce = 64;  // then others on this thread have their turn
constexpr double kPauseS = 0.05;     // when the system has nothing to accept with
constexpr double kWarningEveryS = 10;

int open_spare_descriptor() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace

struct Listener::Impl : std::enable_shared_from_this<Listener::Impl> {
  struct Socket {
    Socket(IoThread& thread, Descriptor owned)
        : descriptor(thread.context(), owned.release()), pause(thread) {}
    boost::asio::posix::stream_descriptor descriptor;
    Timer pause;
  };

  Impl(Accepted accepted_call, LogSink log_sink)
      : accepted(std::move(accepted_call)), log(std::move(log_sink)) {}
  ~Impl() {
    if (spare >= 0) ::close(spare);
  }

  void wait(Socket& socket) {
    socket.descriptor.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [self = shared_from_this(), &socket](const boost::system::error_code& error) {
          if (!error && !self->stopped) self->accept_waiting(socket);
        });
  }

  void accept_waiting(Socket& socket) {
    for (int i = 0; i < kAcceptedAtOnce; ++i) {
      sockaddr_storage address = {};
      auto* peer = reinterpret_cast<sockaddr*>(&address);
      socklen_t bytes = sizeof address;
      const int fd =
          ::accept4(socket.descriptor.native_handle(), peer, &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        accepted(fd, client_address(peer));
        continue;
      }
      const int code = errno;
      if (code == EINTR || code == ECONNABORTED) continue;  // that one has left again
      if (code == EAGAIN || code == EWOULDBLOCK) break;
      return pause_after(socket, code);
    }
    wait(socket);
  }

  // Without descriptors (or memory) the queue stays readable: to wait for it would be to spin.
  void pause_after(Socket& socket, int code) {
    if (code == EMFILE || code == ENFILE) turn_away(socket);
    if (now_s() >= next_warning_s) {
      next_warning_s = now_s() + kWarningEveryS;
      if (log)
        log(LogLevel::kWarning,
            std::string("server: clients are turned away: cannot accept a connection: ") +
                std::strerror(code));  // NOLINT(concurrency-mt-unsafe): glibc's is, for known codes
    }
    socket.pause.start(kPauseS, [self = shared_from_this(), &socket] {
      if (!self->stopped) self->accept_waiting(socket);
    });
  }

  // Those in the queue would wait for nothing. The descriptor kept in reserve accepts them, to
  // close them at once.
  void turn_away(Socket& socket) {
    for (int i = 0; i < kAcceptedAtOnce && spare >= 0; ++i) {
      ::close(spare);
      const int fd = ::accept4(socket.descriptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) ::close(fd);
      spare = open_spare_descriptor();
      if (fd < 0) return;
    }
    if (spare < 0) spare = open_spare_descriptor();
  }

  const Accepted accepted;
  const LogSink log;
  std::vector<std::unique_ptr<Socket>> sockets;
  int spare = open_spare_descriptor();
  double next_warning_s = 0;
  bool stopped = false;
};

Listener::Listener(std::shared_ptr<IoThread> thread, ListeningSockets sockets, Accepted accepted,
                   LogSink log)
    : thread_(std::move(thread)),
      impl_(std::make_shared<Impl>(std::move(accepted), std::move(log))) {
  for (Descriptor& socket : sockets.sockets)
    impl_->sockets.push_back(std::make_unique<Impl::Socket>(*thread_, std::move(socket)));
  thread_->post([impl = impl_] {
    for (const auto& socket : impl->sockets) impl->wait(*socket);
  });
}

Listener::~Listener() {
  stop();
}

void Listener::stop() {
  thread_->post([impl = impl_] {
    impl->stopped = true;
    for (const auto& socket : impl->sockets) {
      boost::system::error_code ignored;
      socket->descriptor.close(ignored);
      socket->pause.cancel();
    }
  });
}

}  // namespace tessera
