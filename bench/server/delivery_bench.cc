// How long a token is on its way from the engine to a client's socket: an engine that answers with
// the time of day, through the real API and server, to clients that compare it with the time at
// which, as the kernel says, it arrived at their end. When they come to read it is not the
// server's time.
//   delivery_bench [STREAMS [TOKENS [PERIOD_MS [BUSY_THREADS]]]]
// STREAMS answers of TOKENS tokens; all get one each PERIOD_MS, as from one step of a batch.
// BUSY_THREADS compute meanwhile, as an engine's own would.

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "http/http_server.h"
#include "server/api.h"

namespace tessera {
namespace {

// The kernel's clock of what arrives.
int64_t now_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// Each token is the time at which its step was over.
class ClockEngine final : public Engine {
 public:
  RequestId submit(Request request, std::shared_ptr<AnswerListener> listener) override {
    const std::lock_guard lock(mutex_);
    answers_[++last_id_] = {std::move(listener), request.max_new_tokens};
    return last_id_;
  }
  void cancel(RequestId id) override {
    const std::lock_guard lock(mutex_);
    answers_.erase(id);
  }
  size_t running() const {
    const std::lock_guard lock(mutex_);
    return answers_.size();
  }
  void step() {
    const std::lock_guard lock(mutex_);
    const std::string text = std::to_string(now_ns());
    for (auto& [id, answer] : answers_) {
      answer.first->on_piece({.text = text});
      --answer.second;
    }
    std::erase_if(answers_, [](const auto& one) {  // as the serving loop: ends behind all tokens
      const auto& [listener, left] = one.second;
      if (left == 0) listener->on_end({.finish_reasons = {FinishReason::kLength}});
      return left == 0;
    });
  }

  Answer generate(const Request&, const OnText&, const CancelFlag*) override { return {}; }
  EngineStatus status() const override { return {.ready = true}; }
  std::string model_name() const override { return "clock"; }
  std::vector<int32_t> tokenize(std::string_view) const override { return {}; }
  std::string detokenize(std::span<const int32_t>) const override { return {}; }
  std::string token_bytes(int32_t) const override { return {}; }
  const Plan& plan() const override { return plan_; }
  std::vector<DeviceReport> devices() const override { return {}; }
  double load_s() const override { return 0; }
  uint64_t loaded_bytes() const override { return 0; }
  uint64_t host_peak_bytes() const override { return 0; }
  int64_t context() const override { return 1 << 20; }
  bool takes_pictures() const override { return false; }

 private:
  mutable std::mutex mutex_;
  std::map<RequestId, std::pair<std::shared_ptr<AnswerListener>, int64_t>> answers_;
  RequestId last_id_ = 0;
  Plan plan_;
};

/// One connection with one streamed answer.
class Client {
 public:
  Client(int port, int64_t tokens) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string body = fmt::format(
        R"({{"stream":true,"max_tokens":{},"messages":[{{"role":"user","content":"?"}}]}})",
        tokens);
    const std::string request = fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        "application/json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        body.size(), body);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0 ||
        ::send(socket_, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size()))
      std::abort();
    const int on = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int socket() const { return socket_; }
  bool ended() const { return ended_; }

  /// Reads what there is; the age of each token goes into `ages_us`.
  void read(std::vector<double>& ages_us) {
    char piece[65536];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
    iovec room = {piece, sizeof piece};
    msghdr message = {};
    message.msg_iov = &room;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(socket_, &message, MSG_DONTWAIT);
    if (count == 0) ended_ = true;
    if (count <= 0) return;
    const cmsghdr* stamp = CMSG_FIRSTHDR(&message);
    timespec arrived = {};  // of what came before the kernel began to stamp
    if (stamp != nullptr && stamp->cmsg_type == SCM_TIMESTAMPNS)
      std::memcpy(&arrived, CMSG_DATA(stamp), sizeof arrived);
    const int64_t now = arrived.tv_sec * 1'000'000'000 + arrived.tv_nsec;
    text_.append(piece, static_cast<size_t>(count));
    constexpr std::string_view kBefore = R"("content":")";
    size_t done = 0;
    for (size_t at = text_.find(kBefore); at != text_.npos; at = text_.find(kBefore, done)) {
      const size_t begin = at + kBefore.size(), end = text_.find('"', begin);
      if (end == text_.npos) break;
      const int64_t then = std::strtoll(text_.c_str() + begin, nullptr, 10);
      if (then > 0 && now > 0) ages_us.push_back(static_cast<double>(now - then) * 1e-3);
      done = end;
    }
    ended_ = text_.find("[DONE]", done) != text_.npos;
    text_.erase(0, done);
  }

 private:
  int socket_;
  std::string text_;
  bool ended_ = false;
};

void run(int64_t streams, int64_t tokens, int64_t period_ms, int64_t busy_threads) {
  ClockEngine engine;
  Api api(engine, {});
  HttpServer server({.port = 0}, api.routes());
  std::vector<std::unique_ptr<Client>> clients;
  for (int64_t i = 0; i < streams; ++i)
    clients.push_back(std::make_unique<Client>(server.port(), tokens));
  while (engine.running() < static_cast<size_t>(streams))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));

  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  for (int64_t i = 0; i < busy_threads; ++i)
    threads.emplace_back([&] {
      while (!stop) asm volatile("" : : : "memory");
    });
  threads.emplace_back([&] {
    for (; engine.running() > 0; std::this_thread::sleep_for(std::chrono::milliseconds(period_ms)))
      engine.step();
  });

  std::vector<double> ages_us;
  while (!clients.empty()) {
    std::vector<pollfd> ready;
    for (const auto& client : clients) ready.push_back({.fd = client->socket(), .events = POLLIN});
    if (::poll(ready.data(), ready.size(), 0) < 0) break;
    for (size_t i = 0; i < ready.size(); ++i)
      if (ready[i].revents != 0) clients[i]->read(ages_us);
    std::erase_if(clients, [](const auto& client) { return client->ended(); });
  }
  stop = true;
  threads.clear();
  server.stop();

  std::ranges::sort(ages_us);
  const auto at = [&](double share) {
    return ages_us.empty()
               ? 0
               : ages_us[static_cast<size_t>(share * static_cast<double>(ages_us.size() - 1))];
  };
  fmt::print(
      "{} of {} tokens arrived; on their way for {:.0f} us (median), {:.0f} (p99), {:.0f} (all)\n",
      ages_us.size(), streams * tokens, at(0.5), at(0.99), at(1));
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  const auto number = [&](int i, int64_t otherwise) {
    return argc > i ? std::strtoll(argv[i], nullptr, 10) : otherwise;
  };
  tessera::run(number(1, 64), number(2, 100), number(3, 50), number(4, 0));
}
