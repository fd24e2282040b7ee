#include "http/client_count.h"

#include <chrono>

namespace tessera {
namespace {

constexpr int kRefusedAtOnce = 64;

}  // namespace

ClientCount::Place ClientCount::enter(const std::string& network) {
  const std::lock_guard lock(mutex_);
  if (count_ >= limit_ + kRefusedAtOnce) return Place::kNone;
  const auto found = of_network_.find(network);
  const int others = found == of_network_.end() ? 0 : found->second;
  if (others >= network_limit_ + kRefusedAtOnce) return Place::kNone;
  ++count_;
  ++of_network_[network];
  if (count_ > limit_) return Place::kFull;
  return others >= network_limit_ ? Place::kNetworkFull : Place::kGranted;
}

void ClientCount::leave(const std::string& network) {
  {
    const std::lock_guard lock(mutex_);
    --count_;
    const auto found = of_network_.find(network);
    if (--found->second == 0) of_network_.erase(found);
  }
  left_.notify_all();
}

int ClientCount::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

bool ClientCount::wait_until_none(double seconds) const {
  std::unique_lock lock(mutex_);
  return left_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return count_ == 0; });
}

}  // namespace tessera
