#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/scheduler.h"

namespace tessera {

/// Stands in for the pipeline and for whoever serves with it: a toy model whose KV rows are hashes
/// of all rows before them, kept in blocks as the real ones are. A row that is read from a wrong
/// block, too early, or after somebody wrote over it changes every later token; besides, every row
/// that a step reads is held against what its sequence alone would have. Pictures are read only
/// where they were announced. Everything wrong is a line in `wrong`.
class SchedulerModel {
 public:
  SchedulerModel(const SchedulerLimits& all_limits, int64_t blocks, int hash_bits = 64)
      : limits(all_limits),
        pool(blocks),
        scheduler(limits, pool, hash_bits),
        memory_(static_cast<size_t>(blocks * kRows)) {}

  /// Throws what Scheduler::add() throws.
  void add(const ScheduledRequest& request);
  void set_ready_rows(RequestId request, int64_t rows);

  /// And runs it; false: there is nothing to do. One that fails leaves noise, and ends by fail().
  bool plan(bool fails = false);
  void commit();  ///< the oldest; ends choices that have all their tokens, and what is lost
  void end(RequestId request);
  void end(SequenceKey sequence);

  /// Plans while it can, then commits, until nothing is left; announces pictures that are awaited.
  void finish();

  const Step& newest() const { return in_flight_.back().step; }
  size_t in_flight() const { return in_flight_.size(); }
  size_t live() const { return requests_.size(); }
  bool has(RequestId request) const { return requests_.contains(request); }
  std::vector<RequestId> requests() const;
  std::vector<int> choices(RequestId request) const;
  const std::vector<int32_t>& tokens(SequenceKey sequence) const;  ///< so far, of a live one
  int64_t served(const std::string& user) const;                   ///< rows run for this user
  void check();  ///< adds the scheduler's violations to `wrong`

  const SchedulerLimits limits;
  BlockPool pool;
  Scheduler scheduler;
  std::vector<std::string> wrong;

 private:
  static constexpr int64_t kRows = 16;
  struct Run {
    Step step;
    bool fails = false;
    std::vector<int32_t> tokens = {};
  };
  struct Request {
    ScheduledRequest asked;
    int64_t ready_rows = 0;
    std::map<int, std::vector<int32_t>> made;  ///< by live choice
  };
  struct Naive {  ///< rows of one sequence alone, as far as they were computed
    std::vector<uint64_t> rows;
  };
  uint64_t& row_at(const StepPart& part, int64_t row);
  uint64_t input_of(const Request& request, int choice, int64_t row) const;
  void fail(const Step& step);
  void run(Run& run);
  void run_part(const StepPart& part, bool fails, std::vector<int32_t>& tokens);
  void say(const StepPart& part, std::string what);

  std::vector<uint64_t> memory_;  // a row of a block each
  std::map<RequestId, Request> requests_;
  std::map<std::pair<RequestId, int>, Naive> naive_;
  std::map<std::string, int64_t> served_;
  std::deque<Run> in_flight_;
  std::set<std::pair<RequestId, int>> noisy_;  // rows of theirs in flight are lost
  uint64_t noise_ = 1;
};

/// A request of `rows` rows; the same `kind` gives the same beginning.
ScheduledRequest make_request(RequestId id, int64_t rows, int64_t max_new_tokens, int kind = 0);

}  // namespace tessera
