#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string_view>

#include "base/file.h"
#include "base/units.h"
#include "http/tls.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Why the last call failed, in OpenSSL's words.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

[[noreturn]] void refuse_file(const std::string& file, std::string expected) {
  throw Error({.where = file, .expected = std::move(expected), .found = openssl_reason()});
}

// Instead of OpenSSL's own, which asks on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

// RFC 7301: whoever asks for protocols gets HTTP/1.1 or none.
int choose_http1(SSL*, const unsigned char** out, unsigned char* out_bytes,
                 const unsigned char* offered, unsigned offered_bytes, void*) {
  static constexpr std::array<unsigned char, 9> kHttp1 = {8,   'h', 't', 't', 'p',
                                                          '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kHttp1.data(), kHttp1.size(), offered,
                            offered_bytes) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

TlsContext::TlsContext(const std::string& certificate_file, const std::string& key_file)
    : context_(SSL_CTX_new(TLS_server_method())) {
  SSL_CTX* context = context_.get();
  if (context == nullptr) refuse_file("TLS", "a context");
  // A missing or unreadable file, or a folder, in the system's words rather than OpenSSL's.
  for (const std::string& file : {certificate_file, key_file}) (void)read_file(file, kMiB);

  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // For TLS 1.2; all that 1.3 has are good. Mozilla's "intermediate", without the finite fields.
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP");
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Idle connections hold no buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  SSL_CTX_set_alpn_select_cb(context, choose_http1, nullptr);

  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    refuse_file(certificate_file, "a certificate in PEM form");
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    refuse_file(key_file,
                "the private key of " + certificate_file + " in PEM form, without a password");
}

}  // namespace tessera
