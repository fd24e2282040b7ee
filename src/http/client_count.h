#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

namespace tessera {

/// How many connections there are, in all and from each network. Any thread.
class ClientCount {
 public:
  ClientCount(int connections, int connections_of_network)
      : limit_(connections), network_limit_(connections_of_network) {}

  enum class Place {
    kGranted,
    kNetworkFull,  ///< counted, to be told so
    kFull,         ///< counted, to be told so
    kNone,         ///< not counted: those who are being told are many already
  };
  /// Unless it is kNone, leave() follows.
  Place enter(const std::string& network);
  void leave(const std::string& network);

  int count() const;

  /// False when some are still there after so many seconds.
  bool wait_until_none(double seconds) const;

 private:
  const int limit_, network_limit_;
  mutable std::mutex mutex_;
  mutable std::condition_variable left_;
  int count_ = 0;
  std::map<std::string, int> of_network_;
};

}  // namespace tessera
