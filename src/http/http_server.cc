#include "http/http_server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "http/http_session.h"
#include "http/listener.h"
#include "http/tls.h"

namespace tessera {
namespace {

constexpr rlim_t kOtherDescriptors = 64;  // that the program has open beside its connections

ApiKeys read_keys(const HttpServerOptions& options) {
  ApiKeys keys;
  std::string listed = options.keys;
  std::replace(listed.begin(), listed.end(), ',', '\n');
  keys.add(listed, "TESSERA_API_KEYS");
  if (options.key_file.empty()) return keys;
  const std::string warning = keys.add_file(options.key_file);
  if (!warning.empty() && options.log) options.log(LogLevel::kWarning, "server: " + warning);
  return keys;
}

std::unique_ptr<TlsContext> read_tls(const HttpServerOptions& options) {
  if (options.tls_certificate_file.empty() != options.tls_key_file.empty())
    throw UsageError({.where = "TLS",
                      .expected = "a certificate file and its key file",
                      .found = "one of them"});
  if (options.tls_key_file.empty()) return nullptr;
  return std::make_unique<TlsContext>(options.tls_certificate_file, options.tls_key_file);
}

void check_open_to_network(const HttpServerOptions& options, bool has_keys) {
  if (has_keys || options.insecure || is_loopback_host(options.host)) return;
  throw UsageError({.where = "host",
                    .what = options.host + " can be reached from other machines",
                    .expected = "keys for those who may use it",
                    .found = "none",
                    .hint = "give a key file, or --insecure to let everybody in"});
}

void check_descriptors(const HttpServerOptions& options) {
  rlimit files = {};
  const auto wanted = static_cast<rlim_t>(options.limits.connections) + kOtherDescriptors;
  if (!options.log || ::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted) return;
  options.log(
      LogLevel::kWarning,
      fmt::format("server: {} open files are allowed (ulimit -n), too few for {} connections",
                  files.rlim_cur, options.limits.connections));
}

HttpError too_many_clients(ClientCount::Place place, const HttpLimits& limits) {
  const bool network = place == ClientCount::Place::kNetworkFull;
  return {{.status = network ? 429 : 503, .headers = {{"Retry-After", "1"}}},
          {.where = "the server",
           .what = network ? "connections from one address" : "connections",
           .expected = fmt::format("at most {}",
                                   network ? limits.connections_of_address : limits.connections),
           .found = "more"}};
}

}  // namespace

struct HttpServer::Impl {
  HttpServerOptions options;
  std::unique_ptr<TlsContext> tls;
  std::shared_ptr<HttpShared> shared;
  int port = 0;
  std::vector<std::shared_ptr<IoThread>> threads;
  std::unique_ptr<Listener> listener;
  std::atomic<bool> stopped{false};

  std::mutex mutex;  // of what follows
  std::vector<std::pair<std::weak_ptr<HttpSession>, IoThread*>> sessions;
  size_t next_thread = 0;

  void accept(int fd, ClientAddress client);
  void serve(const std::shared_ptr<IoThread>& thread, Descriptor socket,
             const ClientAddress& client, ClientCount::Place place);
  std::shared_ptr<HttpSession> make_session(const std::shared_ptr<IoThread>& thread,
                                            Descriptor socket, const ClientAddress& client);
  void remember(const std::shared_ptr<HttpSession>& session, IoThread& thread);
  template <typename Call>
  void for_each_session(Call call);
};

// On the listener's thread.
void HttpServer::Impl::accept(int fd, ClientAddress client) {
  const auto socket = std::make_shared<Descriptor>(fd);
  const ClientCount::Place place = shared->clients.enter(client.network);
  if (place == ClientCount::Place::kNone) return;
  const std::shared_ptr<IoThread>& thread = threads[next_thread++ % threads.size()];
  thread->post([this, thread, socket, client = std::move(client), place] {
    serve(thread, std::move(*socket), client, place);
  });
}

// Or tells the count that there will be none.
std::shared_ptr<HttpSession> HttpServer::Impl::make_session(const std::shared_ptr<IoThread>& thread,
                                                            Descriptor socket,
                                                            const ClientAddress& client) {
  try {
    std::shared_ptr<Connection> connection = make_tcp_connection(std::move(socket), *thread);
    if (tls) connection = make_tls_connection(*tls, std::move(connection), thread);
    return std::make_shared<HttpSession>(shared, thread, std::move(connection), client);
  } catch (...) {
    shared->clients.leave(client.network);
    throw;
  }
}

void HttpServer::Impl::serve(const std::shared_ptr<IoThread>& thread, Descriptor socket,
                             const ClientAddress& client, ClientCount::Place place) {
  const auto session = make_session(thread, std::move(socket), client);
  remember(session, *thread);
  if (stopped) return;  // too late for stop() to have seen it
  if (place == ClientCount::Place::kGranted) return session->start();
  session->refuse_client(too_many_clients(place, shared->limits));
}

void HttpServer::Impl::remember(const std::shared_ptr<HttpSession>& session, IoThread& thread) {
  const std::lock_guard lock(mutex);
  if (sessions.size() == sessions.capacity())
    std::erase_if(sessions, [](const auto& entry) { return entry.first.expired(); });
  sessions.emplace_back(session, &thread);
}

// Each on its own thread, later.
template <typename Call>
void HttpServer::Impl::for_each_session(Call call) {
  const std::lock_guard lock(mutex);
  for (const auto& [session, thread] : sessions)
    thread->post([session = session, call] {
      if (const auto alive = session.lock()) call(*alive);
    });
}

HttpServer::HttpServer(HttpServerOptions options, std::vector<Route> routes)
    : impl_(std::make_unique<Impl>()) {
  ApiKeys keys = read_keys(options);
  const bool has_keys = !keys.empty();
  check_open_to_network(options, has_keys);
  impl_->tls = read_tls(options);
  check_descriptors(options);
  ListeningSockets sockets = listen_on(options.host, options.port);
  impl_->port = port_of(sockets.sockets.front());
  OriginPolicy::Config origins = {.asks_for_keys = has_keys,
                                  .loopback = sockets.loopback,
                                  .hosts = options.hosts,
                                  .origins = options.origins};
  impl_->shared = std::make_shared<HttpShared>(options.limits, std::move(routes), std::move(keys),
                                               std::move(origins), options.log, options.access_log,
                                               options.access_log_as_json);
  impl_->options = std::move(options);
  for (int i = 0; i < std::max(1, impl_->options.io_threads); ++i)
    impl_->threads.push_back(std::make_shared<IoThread>(impl_->options.log));
  impl_->listener = std::make_unique<Listener>(
      impl_->threads.front(), std::move(sockets),
      [impl = impl_.get()](int fd, ClientAddress client) { impl->accept(fd, std::move(client)); },
      impl_->options.log);
}

HttpServer::~HttpServer() {
  stop();
}

int HttpServer::port() const {
  return impl_->port;
}

std::string HttpServer::url() const {
  const std::string& host = impl_->options.host;
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", impl_->tls ? "https" : "http", brackets ? "[" : "", host,
                     brackets ? "]" : "", impl_->port);
}

int HttpServer::connections() const {
  return impl_->shared->clients.count();
}

void HttpServer::stop_accepting() {
  *impl_->shared->closing = true;
  impl_->listener->stop();
  impl_->for_each_session([](HttpSession& session) { session.drain(); });
}

bool HttpServer::drain(double seconds) {
  stop_accepting();
  return impl_->shared->clients.wait_until_none(seconds);
}

void HttpServer::stop() {
  if (impl_->stopped.exchange(true)) return;
  stop_accepting();
  impl_->for_each_session([](HttpSession& session) { session.close(); });
  impl_->shared->handlers.stop();
  for (const auto& thread : impl_->threads) thread->finish();
}

}  // namespace tessera
