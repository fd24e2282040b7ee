#pragma once

#include <functional>
#include <memory>

#include "http/client_address.h"
#include "http/io_thread.h"
#include "http/listening_socket.h"
#include "tessera/log.h"

namespace tessera {

/// Takes connections from listening sockets, on an IoThread. When the process has no descriptors
/// left it turns clients away, says so, and tries again, without spinning.
class Listener {
 public:
  /// Called on the thread with a connected socket, which is the callee's.
  using Accepted = std::function<void(int fd, ClientAddress client)>;

  Listener(std::shared_ptr<IoThread> thread, ListeningSockets sockets, Accepted accepted,
           LogSink log);
  ~Listener();  ///< stop()
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Any thread. Connections that the system has queued are refused; `accepted` may be called until
  /// the thread has finished.
  void stop();

 private:
  struct Impl;
  const std::shared_ptr<IoThread> thread_;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tessera
