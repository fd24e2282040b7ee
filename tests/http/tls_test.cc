// Over TLS, judged by OpenSSL's client.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::HasSubstr;

// A key and a certificate that it has signed itself, as PEM files.
struct Certificate {
  explicit Certificate(const TempFolder& folder, const std::string& name = "own")
      : certificate_file(folder.path(name + "-certificate.pem")),
        key_file(folder.path(name + "-key.pem")) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, key, EVP_sha256());
    BIO* out = BIO_new_file(certificate_file.c_str(), "w");
    PEM_write_bio_X509(out, certificate);
    BIO_free(out);
    out = BIO_new_file(key_file.c_str(), "w");
    PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  HttpServerOptions options() const {
    return {.tls_certificate_file = certificate_file, .tls_key_file = key_file};
  }
  std::string certificate_file, key_file;
};

class TlsClient {
 public:
  explicit TlsClient(int port, int min_version = 0, int max_version = 0,
                     const std::string& ciphers = "ALL")
      : tcp_(port) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context_, min_version);
    SSL_CTX_set_max_proto_version(context_, max_version);
    SSL_CTX_set_cipher_list(context_, (ciphers + ":@SECLEVEL=0").c_str());
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, tcp_.fd());
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ERR_clear_error();
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  std::string version() const { return SSL_get_version(ssl_); }
  std::string cipher() const { return SSL_get_cipher_name(ssl_); }
  void send(std::string_view bytes) const {
    SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  }
  /// Until `text` has come, or the end.
  std::string receive_until(const std::string& text) const {
    std::string got;
    char piece[16384];
    size_t seen = 0;
    while (got.find(text, seen) == std::string::npos) {
      seen = got.size() - std::min(got.size(), text.size());
      const int bytes = SSL_read(ssl_, piece, sizeof piece);
      if (bytes <= 0) break;
      got.append(piece, static_cast<size_t>(bytes));
    }
    return got;
  }
  /// Whether the end came as TLS has it, so that nobody can have cut it off.
  bool ended_properly() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }

 private:
  RawClient tcp_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
};

TEST(Tls, AnswersOverBothVersions) {
  const TempFolder folder;
  ExampleServer example(Certificate(folder).options());
  EXPECT_THAT(example.server->url(), HasSubstr("https://127.0.0.1:"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const TlsClient client(example.port(), version, version);
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    for (int i = 0; i < 3; ++i) {
      client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
      EXPECT_THAT(client.receive_until("hello"), HasSubstr("HTTP/1.1 200 OK"));
    }
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(client.receive_until("no such text"), HasSubstr("hello"));
    EXPECT_TRUE(client.ended_properly());
  }
}

TEST(Tls, RefusesOldVersionsAndWeakCiphers) {
  const TempFolder folder;
  ExampleServer example(Certificate(folder).options());
  EXPECT_FALSE(TlsClient(example.port(), TLS1_VERSION, TLS1_1_VERSION).connected());
  const TlsClient client(example.port(), TLS1_2_VERSION, TLS1_2_VERSION);
  EXPECT_THAT(client.cipher(), testing::ContainsRegex("ECDHE.*(GCM|CHACHA20)"));
  EXPECT_FALSE(TlsClient(example.port(), TLS1_2_VERSION, TLS1_2_VERSION,
                         "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256")
                   .connected());
  // Without TLS, and with noise in its place.
  RawClient plain(example.port());
  plain.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(plain.ends(5));
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() <= 1; }));
}

TEST(Tls, CarriesLargeBodiesBothWays) {
  const TempFolder folder;
  ExampleServer example(Certificate(folder).options());
  const TlsClient client(example.port());
  std::string body(2000000, 'x');
  for (size_t i = 0; i < body.size(); i += 101) body[i] = static_cast<char>('a' + i % 26);
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000003\r\n\r\n");
  client.send(body);
  client.send("END");
  const std::string got = client.receive_until("END");
  EXPECT_TRUE(got.ends_with(body + "END"));
}

TEST(Tls, StreamsAndNoticesAClientThatLeaves) {
  const TempFolder folder;
  ExampleServer example(Certificate(folder).options());
  std::atomic<bool> gone{false};
  ExchangePtr exchange;
  {
    const TlsClient client(example.port());
    client.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
    exchange = example.kept.next();
    exchange->on_gone([&] { gone = true; });
    exchange->begin_stream({});
    for (int i = 0; i < 10; ++i) {
      exchange->write("piece " + std::to_string(i) + "\n");
      EXPECT_THAT(client.receive_until("piece " + std::to_string(i)), HasSubstr("piece"));
    }
    EXPECT_FALSE(gone);
  }
  EXPECT_TRUE(becomes_true([&] { return gone.load(); }));
  EXPECT_TRUE(becomes_true([&] { return example.server->connections() == 0; }));
}

TEST(Tls, WaitsOnlySoLongForAHandshake) {
  const TempFolder folder;
  HttpServerOptions options = Certificate(folder).options();
  options.limits.handshake_s = 0.1;
  ExampleServer example(options);
  RawClient client(example.port());
  client.send(std::string("\x16\x03\x01", 3));
  EXPECT_TRUE(client.ends(5));
}

TEST(Tls, StopsWithConnectionsOpen) {
  const TempFolder folder;
  ExampleServer example(Certificate(folder).options());
  const TlsClient idle(example.port()), busy(example.port());
  const RawClient mute(example.port());
  busy.send("GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ExchangePtr exchange = example.kept.next();
  exchange->begin_stream({});
  exchange->write(std::string(1000000, 'x'));
  example.server->stop();
}

TEST(Tls, NamesTheFileThatIsWrong) {
  const TempFolder folder;
  const Certificate own(folder), other(folder, "other");
  const std::string noise = folder.write("noise.pem", "no certificate\n");
  const auto error_with = [](const std::string& certificate, const std::string& key) {
    return error_of([&] {
      const HttpServer server({.port = 0, .tls_certificate_file = certificate, .tls_key_file = key},
                              {});
    });
  };
  EXPECT_EQ(error_with(own.certificate_file, own.key_file), "no error");
  EXPECT_THAT(error_with(folder.path("absent"), own.key_file), HasSubstr("absent: cannot open"));
  EXPECT_THAT(error_with(own.certificate_file, folder.path("absent")),
              HasSubstr("absent: cannot open"));
  EXPECT_THAT(error_with(noise, own.key_file), HasSubstr("noise.pem: expected a certificate"));
  EXPECT_THAT(error_with(own.certificate_file, noise),
              HasSubstr("noise.pem: expected the private key of "));
  EXPECT_THAT(error_with(own.certificate_file, other.key_file),
              HasSubstr("other-key.pem: expected the private key of "));
}

}  // namespace
}  // namespace tessera
