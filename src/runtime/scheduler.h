#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/block_pool.h"
#include "tessera/serving.h"

namespace tessera {

/// What the scheduler may hand out.
struct SchedulerLimits {
  int64_t rows = 256;     ///< most rows of one micro-batch
  int64_t running = 1;    ///< most sequences that run at once, and most draws of one micro-batch
  int64_t context = 0;    ///< tokens of one sequence
  int64_t waiting = 256;  ///< most requests in the queue
  int in_flight = 2;      ///< micro-batches at once: the pipeline's slots
  int decode_groups = 1;  ///< micro-batches that the running sequences are spread over
  bool prefix_cache = true;
};

/// A picture in a prompt, known by its contents.
struct PromptPicture {
  int64_t first_row = 0, rows = 0;
  std::array<uint64_t, 2> hash = {};
};

/// A request as the scheduler sees it: rows, not texts.
struct ScheduledRequest {
  RequestId id = 0;
  std::string user = {};
  std::vector<int32_t> ids = {};  ///< one a row; 0 under a picture
  std::vector<PromptPicture> pictures = {};
  int64_t max_new_tokens = 1;                                   ///< already within the context
  int choices = 1;                                              ///< sequences that share the prompt
  double deadline_s = std::numeric_limits<double>::infinity();  ///< of base/clock.h
};

/// One of a request's choices.
struct SequenceKey {
  RequestId request = 0;
  int choice = 0;
  bool operator==(const SequenceKey&) const = default;
};

/// Rows of one sequence in a step, which owns what the spans show.
struct StepPart {
  SequenceKey sequence;
  int64_t first = 0, count = 0;          ///< positions
  std::span<const int32_t> ids = {};     ///< of these rows
  std::span<const int32_t> blocks = {};  ///< the sequence's blocks up to its last row here
  /// Choices whose next token is drawn from the last row: this one, or, where a prompt ends, all of
  /// the request's; empty inside a prompt.
  std::span<const int> draws = {};
};

/// A micro-batch that may run: its blocks are reserved, nothing else has changed.
struct Step {
  Step() = default;
  Step(Step&&) = default;
  Step& operator=(Step&&) = default;

  uint64_t id = 0;
  std::vector<StepPart> parts;    ///< decodes first
  std::vector<BlockCopy> copies;  ///< before any row is written
  int64_t decode_rows = 0, prefill_rows = 0;
  std::vector<int32_t> numbers;  ///< ids, blocks and draws of all parts, one after the other
};

/// Decides which rows walk the pipeline next. Plain data: no tensors, no threads, no clock but the
/// one handed in; one thread. A step is planned and its blocks reserved by plan(); what it computed
/// becomes visible with commit(), in the order of the plans.
///
///   while (auto step = scheduler.plan()) run it;
///   when the oldest is back: scheduler.commit(*step, tokens); then end() for each that is done
///
/// Rows of a sequence whose step has not been committed are not planned again, but for the chunks
/// of a prompt, which follow each other.
class Scheduler {
 public:
  /// The pool must outlive it. Fewer bits of the prefix cache's hashes make collisions common, for
  /// tests.
  Scheduler(const SchedulerLimits& limits, BlockPool& blocks, int hash_bits = 64);
  ~Scheduler();

  /// Queues a request. Throws Error when it can never run (with the numbers), Busy when the queue
  /// is full; whatever it throws, nothing of the request is left here. Rows of pictures wait until
  /// set_ready_rows().
  void add(ScheduledRequest request);

  /// The prompt's rows before this one may be computed; at first, those before its first picture
  /// that no cache has.
  void set_ready_rows(RequestId request, int64_t rows);

  /// Requests whose next rows wait for set_ready_rows(), known once plan() has come to them. Also
  /// one whose picture was in the prefix cache when it was added, and no longer is.
  std::vector<RequestId> awaiting_pictures() const;

  /// The next micro-batch; empty when there is nothing to do, or nothing until a commit. May put
  /// the youngest sequence back into the queue (it is computed again later, exactly) for want of
  /// blocks.
  std::optional<Step> plan();

  /// `tokens`: one for each draw of each part, in order. Parts of requests that have ended
  /// meanwhile are passed over.
  void commit(const Step& step, std::span<const int32_t> tokens);

  /// What a step that ran took on its busiest stage, in seconds of the device's clock: how many
  /// rows of prompts the next ones may have beside decodes follows from it (prefill_budget.h), and
  /// nothing else does. Who never says it gets the same steps each time.
  void took(const Step& step, double seconds);

  /// The step failed: which of its sequences must end, since their rows are lost. Nothing of it is
  /// kept.
  std::vector<SequenceKey> abandon(const Step& step);

  /// The sequence, or all of a request's, wherever they are; what they held is free. Blocks that
  /// hold whole stretches of committed rows stay in the prefix cache until they are needed.
  void end(SequenceKey sequence);
  void end(RequestId request);

  /// Requests whose deadline has passed; they stay until end().
  std::vector<RequestId> expired(double now_s) const;
  double next_deadline_s() const;  ///< infinity when there is none

  /// Drops what the prefix cache holds: after a failure its rows are not to be trusted.
  void forget_cached();

  // What goes on.
  int64_t running() const;       ///< sequences
  int64_t waiting() const;       ///< requests that have no row yet, or were put back
  int64_t waiting_rows() const;  ///< of prompts that are still to be computed
  int64_t cached_rows(RequestId request) const;  ///< of its prompt, found in the prefix cache
  bool started(RequestId request) const;         ///< a row of it has been planned
  uint64_t preemptions() const;
  int64_t blocks_used() const;    ///< by running sequences
  int64_t blocks_cached() const;  ///< kept for prompts to come

  /// Everything that is wrong with its state, a line each; for tests, after each step.
  std::vector<std::string> violations() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
