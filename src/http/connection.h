#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "http/descriptor.h"
#include "http/io_thread.h"

namespace tessera {

/// The bytes to and from one client, plain or encrypted. All calls but write_now() come from one
/// IoThread, and so do the callbacks: never out of the call that they are handed to. At most one
/// read and one write at a time. Memory handed to either lives until it has called back.
class Connection {
 public:
  /// ok is false when the connection has ended, whichever way.
  using Done = std::function<void(bool ok, size_t bytes)>;

  virtual ~Connection() = default;

  /// Before anything else.
  virtual void handshake(Done done) = 0;
  /// At least one byte.
  virtual void read(std::span<char> into, Done done) = 0;
  /// At least one byte of these, not always all. They have been accepted by the system, not yet by
  /// the client.
  virtual void write(std::string_view bytes, Done done) = 0;
  /// Of these, how many the system takes at once; 0 also where bytes cannot be handed over so. From
  /// any thread, but not during a write() nor beside close(). Never waits.
  virtual size_t write_now(std::string_view /*bytes*/) { return 0; }
  /// Tells the client that no more will come. Not during a write.
  virtual void finish_writing() = 0;
  /// At once. What is pending calls back with ok false.
  virtual void close() = 0;
};

/// Over a connected TCP socket.
std::shared_ptr<Connection> make_tcp_connection(Descriptor socket, IoThread& thread);

}  // namespace tessera
