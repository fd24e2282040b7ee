#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/access_log.h"
#include "http/answer_queue.h"
#include "http/byte_budget.h"
#include "http/client_address.h"
#include "http/connection.h"
#include "http/http_errors.h"
#include "http/http_shared.h"
#include "http/io_thread.h"
#include "http/request_reader.h"

namespace tessera {

/// One connection: reads a request, has it answered, reads the next. Lives on one IoThread, which
/// makes all calls; whoever else wants something of it posts there.
///
/// A read is always pending, also while a handler works, so that a client that leaves is noticed at
/// once. One that has only ended its sending ("half-close") cannot be told from one that has left,
/// and counts as gone.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  /// `clients` has counted this connection.
  HttpSession(std::shared_ptr<HttpShared> shared, std::shared_ptr<IoThread> thread,
              std::shared_ptr<Connection> connection, ClientAddress client);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  void start();  ///< it then lives until it is closed
  /// Instead of start(): the client gets this and no more.
  void refuse_client(const HttpError& error);
  /// The server takes no more requests: ends now if it waits for one, else with the next answer.
  void drain();
  void close();  ///< at once

 private:
  enum class Phase { kHandshake, kIdle, kHead, kBody, kAnswering, kLingering, kClosed };

  /// A callback that keeps this alive, and closes it should it throw.
  template <typename Call>
  auto kept(Call call);

  void handshake(std::optional<HttpError> refusal);
  void begin_request();
  void read_more();
  void on_read(bool ok, size_t bytes);
  void on_end_of_input();

  void advance();
  void advance_request();
  void accept_head();
  void watch_body();
  void check_body_rate();
  void dispatch();
  void refuse(const HttpError& error);
  void make_answer();
  std::function<size_t(std::string_view)> direct_sender() const;

  void on_wake();
  void flush();
  void write_out();
  void check_write_rate();
  void finish_answer();
  void end_connection();
  void log_request(bool complete);

  const std::shared_ptr<HttpShared> shared_;
  const std::shared_ptr<IoThread> thread_;
  const std::shared_ptr<Connection> connection_;
  const ClientAddress client_;

  std::shared_ptr<HttpSession> self_;
  Phase phase_ = Phase::kHandshake;
  Timer timer_, write_timer_;
  std::array<char, 8192> buffer_ = {};
  std::string input_;  // read and not yet taken
  bool reading_ = false, input_ended_ = false, first_ = true;

  // Of the request that is being read or answered.
  std::unique_ptr<RequestReader> reader_;
  HttpRequest request_;
  const Route* route_ = nullptr;
  std::optional<BudgetShare> body_share_;
  AccessEntry entry_;
  double begin_s_ = 0;
  uint64_t body_seen_ = 0;  // at the last check
  std::shared_ptr<AnswerQueue> answer_;
  bool head_read_ = false;    // and sound: what follows it can be told from the next request
  bool close_after_ = false;  // this answer

  std::string out_;  // being written
  size_t out_sent_ = 0, out_seen_ = 0;
  bool writing_ = false;
  bool out_is_answer_ = false;  // else it comes before one
};

}  // namespace tessera
