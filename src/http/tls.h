#pragma once

#include <memory>
#include <string>

#include "http/connection.h"
#include "http/io_thread.h"

struct ssl_ctx_st;  // of OpenSSL

namespace tessera {

/// A certificate with its private key, and how connections are encrypted with them: TLS 1.2 and
/// 1.3, forward secrecy and authenticated encryption only. For any number of connections, from any
/// thread.
class TlsContext {
 public:
  /// PEM files: the certificate with those between it and the root, and its key, unencrypted.
  /// Throws Error that names the file that is wrong.
  TlsContext(const std::string& certificate_file, const std::string& key_file);

  ssl_ctx_st* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

/// Encrypts what goes over `below`.
std::shared_ptr<Connection> make_tls_connection(const TlsContext& context,
                                                std::shared_ptr<Connection> below,
                                                std::shared_ptr<IoThread> thread);

}  // namespace tessera
