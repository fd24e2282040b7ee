#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "http/http.h"

namespace tessera {

/// Sends the same events to all who listen: as long as anybody does, one thread asks for the next
/// one every `period_s` and writes it to everyone. With nobody listening it sleeps.
class EventFeed {
 public:
  /// `next`: the data of the next event, one line; called on the feed's thread.
  EventFeed(std::function<std::string()> next, double period_s, size_t max_listeners);
  ~EventFeed();  ///< stop()
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  /// Begins the stream, and writes to it until the client has gone. HttpError 503 when too many
  /// listen already.
  void add(const std::shared_ptr<Exchange>& exchange);

  /// Ends all streams; add() is a HttpError 503 from then on. From one thread.
  void stop();

  size_t listeners() const;

 private:
  struct Listeners;
  void run(const std::stop_token& stop);
  void send();

  const std::function<std::string()> next_;
  const double period_s_;
  const std::shared_ptr<Listeners> listeners_;  // shared with the callbacks of exchanges
  std::jthread thread_;                         // last: ends before what it uses
};

}  // namespace tessera
