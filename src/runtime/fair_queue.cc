#include "runtime/fair_queue.h"

#include <algorithm>
#include <cassert>

namespace tessera {
namespace {

constexpr size_t kMostUsers = 1024;  // names that are remembered without need

}  // namespace

FairQueue::User* FairQueue::enter(const std::string& name) {
  auto at = users_.find(name);
  if (at == users_.end()) at = users_.emplace(name, std::make_unique<User>()).first;
  ++at->second->entered;
  return at->second.get();
}

void FairQueue::leave(User* user) {
  assert(user->entered > 0);
  if (--user->entered == 0 && users_.size() > kMostUsers) forget_idle_users();
}

void FairQueue::push(User* user, RequestId request) {
  user->queue.push_back(request);
  if (user->queue.size() > 1) return;
  user->served = std::max(user->served, least_served());
  user->passed_over = 0;
  queued_.push_back(user);
}

void FairQueue::remove(User* user, RequestId request) {
  const auto it = std::ranges::find(user->queue, request);
  if (it == user->queue.end()) return;
  if (static_cast<size_t>(it - user->queue.begin()) < user->passed_over) --user->passed_over;
  user->queue.erase(it);
  if (!user->queue.empty()) return;
  std::erase(queued_, user);
  last_served_ = user->served;
}

void FairQueue::begin_round() {
  for (User* user : queued_) user->passed_over = 0;
}

std::optional<RequestId> FairQueue::next() const {
  const User* best = nullptr;
  for (const User* user : queued_)
    if (user->passed_over < user->queue.size() && (best == nullptr || user->served < best->served))
      best = user;
  if (best == nullptr) return std::nullopt;
  return best->queue[best->passed_over];
}

int64_t FairQueue::least_served() const {
  if (queued_.empty()) return last_served_;
  return (*std::ranges::min_element(queued_, {}, &User::served))->served;
}

// First those whose counter says nothing: they would be lifted anyway.
void FairQueue::forget_idle_users() {
  std::erase_if(users_, [least = least_served()](const auto& named) {
    return named.second->entered == 0 && named.second->served <= least;
  });
  if (users_.size() > kMostUsers)
    std::erase_if(users_, [](const auto& named) { return named.second->entered == 0; });
}

}  // namespace tessera
