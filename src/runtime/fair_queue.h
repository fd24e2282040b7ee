#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tessera/serving.h"

namespace tessera {

/// Whose prompt is computed next: that of the user who was served least, first come first served
/// among a user's own. What a user was served is a counter of rows; one that comes back is lifted
/// to the least counter of those who wait, so that nobody saves up. While two users have requests
/// here all the time, their counters stay as close as the largest piece that is charged at once.
/// Source: Sheng et al. 2024, arXiv:2401.00588 (virtual token counter). Not thread-safe.
class FairQueue {
 public:
  struct User {
    int64_t served = 0;                 ///< rows
    int64_t entered = 0;                ///< requests that have not left
    std::vector<RequestId> queue = {};  ///< oldest first
    size_t passed_over = 0;             ///< of the queue, in this round
  };

  /// A request's user, valid until it leaves: a request leaves once, after its last charge.
  User* enter(const std::string& name);
  void leave(User* user);

  void push(User* user, RequestId request);    ///< last of the user's; remove() where it throws
  void remove(User* user, RequestId request);  ///< nothing when it is not queued
  void charge(User* user, int64_t rows) { user->served += rows; }

  /// In a round, next() gives the first request of the least served user that has not been passed
  /// over; the same one until it is passed over or removed.
  void begin_round();
  std::optional<RequestId> next() const;
  void pass_over(User* user) { ++user->passed_over; }  ///< the one that next() gave

  size_t users() const { return users_.size(); }  ///< known by name

 private:
  int64_t least_served() const;
  void forget_idle_users();

  std::unordered_map<std::string, std::unique_ptr<User>> users_;
  std::vector<User*> queued_;  // users with requests in their queue
  int64_t last_served_ = 0;    // of the user whose queue was the last to become empty
};

}  // namespace tessera
