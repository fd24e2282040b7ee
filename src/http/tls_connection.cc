#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/units.h"
#include "http/tls.h"

namespace tessera {
namespace {

// OpenSSL as a machine without sockets: encrypted bytes go in and out through memory, so that all
// waiting is the connection's below.
class TlsConnection : public Connection, public std::enable_shared_from_this<TlsConnection> {
 public:
  TlsConnection(const TlsContext& context, std::shared_ptr<Connection> below,
                std::shared_ptr<IoThread> thread)
      : below_(std::move(below)), thread_(std::move(thread)), ssl_(SSL_new(context.get())) {
    if (ssl_ == nullptr) throw std::bad_alloc();
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    if (in_ == nullptr || out_ == nullptr) {
      BIO_free(in_);
      BIO_free(out_);
      throw std::bad_alloc();
    }
    // Empty means "wait", not "the end".
    BIO_set_mem_eof_return(in_, -1);
    BIO_set_mem_eof_return(out_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);  // which owns both from here on
    SSL_set_accept_state(ssl_.get());
  }

  void handshake(Done done) override {
    handshake_done_ = std::move(done);
    below_->handshake([self = shared_from_this()](bool ok, size_t) {
      if (!ok) return self->fail();
      self->advance();
    });
  }

  void read(std::span<char> into, Done done) override {
    read_into_ = into;
    read_done_ = std::move(done);
    // What came with earlier bytes may be all that comes; its caller must not be called from here.
    thread_->post([self = shared_from_this()] { self->advance(); });
  }

  void write(std::string_view bytes, Done done) override {
    ERR_clear_error();
    // A part at a time: what is encrypted waits in memory.
    const auto wanted = static_cast<int>(std::min<size_t>(bytes.size(), 64 * kKiB));
    const int took = broken_ ? -1 : SSL_write(ssl_.get(), bytes.data(), wanted);
    if (took <= 0) {
      broken_ = true;
      thread_->post([done = std::move(done)] { done(false, 0); });
      return;
    }
    written_ = static_cast<size_t>(took);
    write_done_ = std::move(done);
    flush();
  }

  void finish_writing() override {
    ERR_clear_error();
    if (!broken_ && SSL_is_init_finished(ssl_.get()) != 0) SSL_shutdown(ssl_.get());
    finish_when_flushed_ = true;
    flush();
  }

  void close() override {
    broken_ = true;
    below_->close();
    thread_->post([self = shared_from_this()] { self->fail(); });
  }

 private:
  // Does what the bytes that are here allow, and asks for more when somebody waits for them.
  void advance() {
    if (broken_) return fail();
    ERR_clear_error();
    if (handshake_done_) {
      const int status = SSL_do_handshake(ssl_.get());
      const bool waits = status != 1 && wants_bytes(status);
      flush();  // an alert that says what was wrong, too
      if (status == 1) return std::exchange(handshake_done_, nullptr)(true, 0);
      if (!waits) return fail();
      return fetch();
    }
    if (!read_done_) return;
    const int got = SSL_read(ssl_.get(), read_into_.data(), static_cast<int>(read_into_.size()));
    const bool waits = got <= 0 && wants_bytes(got);
    flush();
    if (got > 0) return std::exchange(read_done_, nullptr)(true, static_cast<size_t>(got));
    if (!waits) return end_read();
    fetch();
  }

  bool wants_bytes(int status) const {
    return SSL_get_error(ssl_.get(), status) == SSL_ERROR_WANT_READ;
  }

  void fetch() {
    if (std::exchange(fetching_, true)) return;
    below_->read(raw_, [self = shared_from_this()](bool ok, size_t bytes) {
      self->fetching_ = false;
      if (!ok) return self->end_read();
      // Memory takes all of it, or there is no more memory.
      if (BIO_write(self->in_, self->raw_.data(), static_cast<int>(bytes)) !=
          static_cast<int>(bytes))
        self->broken_ = true;
      self->advance();
    });
  }

  // Sends what OpenSSL has encrypted.
  void flush() {
    if (flushing_) return;
    if (sending_.empty()) {
      char* data = nullptr;
      const long bytes = BIO_get_mem_data(out_, &data);
      if (bytes > 0) sending_.assign(data, static_cast<size_t>(bytes));
      (void)BIO_reset(out_);
    }
    if (sending_.empty()) return flushed();
    flushing_ = true;
    below_->write(std::string_view(sending_).substr(sent_),
                  [self = shared_from_this()](bool ok, size_t bytes) {
                    self->flushing_ = false;
                    if (!ok) {
                      self->broken_ = true;
                      return self->end_write();
                    }
                    self->sent_ += bytes;
                    if (self->sent_ == self->sending_.size()) {
                      self->sending_.clear();
                      self->sent_ = 0;
                    }
                    self->flush();
                  });
  }

  void flushed() {
    if (std::exchange(finish_when_flushed_, false)) below_->finish_writing();
    // Out of a completed write below, never out of write(), which leaves something to send.
    if (write_done_) std::exchange(write_done_, nullptr)(true, written_);
  }

  void end_read() {
    if (handshake_done_) std::exchange(handshake_done_, nullptr)(false, 0);
    if (read_done_) std::exchange(read_done_, nullptr)(false, 0);
  }
  void end_write() {
    if (write_done_) std::exchange(write_done_, nullptr)(false, 0);
  }
  void fail() {
    broken_ = true;
    end_read();
    if (!flushing_) end_write();  // else its bytes are still being sent from our memory
  }

  struct FreeSsl {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };

  const std::shared_ptr<Connection> below_;
  const std::shared_ptr<IoThread> thread_;
  const std::unique_ptr<SSL, FreeSsl> ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;

  Done handshake_done_, read_done_, write_done_;
  std::span<char> read_into_;
  size_t written_ = 0;

  std::array<char, 8192> raw_ = {};
  std::string sending_;
  size_t sent_ = 0;  // of it
  bool fetching_ = false, flushing_ = false, finish_when_flushed_ = false;
  bool broken_ = false;
};

}  // namespace

std::shared_ptr<Connection> make_tls_connection(const TlsContext& context,
                                                std::shared_ptr<Connection> below,
                                                std::shared_ptr<IoThread> thread) {
  return std::make_shared<TlsConnection>(context, std::move(below), std::move(thread));
}

}  // namespace tessera
