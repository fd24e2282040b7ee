#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/fair_queue.h"
#include "runtime/prefix_cache.h"
#include "runtime/queue_rate.h"
#include "runtime/scheduler.h"
#include "runtime/step_cost.h"

namespace tessera {

struct RequestState;

enum class SequencePhase : uint8_t {
  kWaiting,   ///< in a queue, holds nothing
  kPrompt,    ///< runs; rows before its next token are still to be planned
  kLastRows,  ///< runs; all rows are planned, its next token is on the way
  kDecoding,  ///< runs; planned row by row as tokens come
  kOver       ///< in no queue: new, or has all its tokens or lost its rows and waits for end()
};

/// One choice. Until the prompt's last row is committed, the first of a request's stands for all.
struct SequenceState {
  RequestState* request = nullptr;
  int choice = 0;
  SequencePhase phase = SequencePhase::kWaiting;
  bool put_back = false;           ///< its queue is that of the sequences put back
  std::vector<int32_t> made = {};  ///< tokens behind the prompt
  std::vector<int32_t> blocks = {};
  int64_t computed = 0;       ///< rows committed
  int64_t planned = 0;        ///< rows committed or in flight
  int64_t charged = 0;        ///< rows its user has paid for: not twice when put back
  int in_flight = 0;          ///< steps with rows of it, of earlier lives too
  uint64_t life = 0;          ///< changes when it is put back: rows of earlier ones are lost
  PrefixEnd cached = {};      ///< the chain of its first blocks in the prefix cache
  int64_t cached_blocks = 0;  ///< of that chain
  bool chain_broken = false;  ///< nothing can be added to it

  bool running() const { return phase != SequencePhase::kWaiting && phase != SequencePhase::kOver; }
  bool owing() const { return phase == SequencePhase::kWaiting || phase == SequencePhase::kPrompt; }
  int64_t length() const;
  int32_t id_at(int64_t row) const;
  SequenceKey key() const;
  BlockRows rows_of_block(int64_t index) const;
};

struct RequestState {
  ScheduledRequest asked;
  uint64_t arrival = 0;
  FairQueue::User* user = nullptr;
  int64_t ready_rows = 0;     ///< as set; text behind them is ready as well
  int64_t cached_rows = 0;    ///< once started
  int64_t needed_blocks = 0;  ///< when it was last refused for want of blocks
  bool started = false;
  bool awaits_picture = false;
  std::vector<std::unique_ptr<SequenceState>> sequences = {};
  std::vector<int> unborn = {};  ///< choices that come from the first sequence's last prompt row

  int64_t prompt_rows() const { return static_cast<int64_t>(asked.ids.size()); }
};

/// What a step does to a sequence, kept until it is back.
struct PartInFlight {
  SequenceState* sequence;  ///< null: it has ended
  uint64_t life;
  int64_t first, count;
  size_t blocks, draws;  ///< how many
};

struct StepInFlight {
  uint64_t id;
  std::vector<PartInFlight> parts;
};

struct Scheduler::State {
  State(const SchedulerLimits& limits, BlockPool& blocks, int hash_bits);

  const SchedulerLimits limits;
  BlockPool& pool;
  PrefixCache cache;
  FairQueue fair;
  QueueRate queue_rate;
  StepCost cost;

  std::unordered_map<RequestId, std::unique_ptr<RequestState>> requests;
  std::set<std::pair<double, RequestId>> deadlines;
  std::vector<SequenceState*> put_back;  ///< oldest first; also those that run again by now
  std::vector<SequenceState*> running;   ///< in no order
  std::vector<SequenceState*> ready;     ///< may decode, the longest waiting first
  std::deque<StepInFlight> in_flight;
  int64_t slots = 0;         ///< of running sequences, and of choices that will come from them
  int64_t decoding = 0;      ///< sequences in that phase
  int64_t pending_rows = 0;  ///< of sequences that owe rows
  uint64_t last_step = 0, last_arrival = 0, last_life = 0, preemptions = 0;
  int turn = 0;             ///< of the decode groups
  size_t last_numbers = 0;  ///< of the newest step: the next one is about as large

  bool admitting = true;  ///< while planning: nobody who came earlier was refused

  // scheduler_state.cc: what a sequence goes through.
  RequestState* find(RequestId id) const;
  SequenceState* youngest() const;
  int64_t slots_of(const SequenceState& sequence) const;  ///< with those who will come from it
  void enter_queue(SequenceState& sequence);
  void leave_queue(SequenceState& sequence);
  void stop_running(SequenceState& sequence, SequencePhase next);
  void preempt(SequenceState& sequence);
  void retire(SequenceState& sequence);
  void forget_in_flight(const SequenceState& sequence);
  void adopt_prefix(SequenceState& sequence);
  void give_back_blocks(SequenceState& sequence);
  void extend_chain(SequenceState& sequence);
  void accept(RequestState& request, SequenceState& from, int choice, int32_t token);
  void accept(SequenceState& sequence, int32_t token);
  void end_choice(RequestState& request, int choice);
  void end_request(RequestState& request);

  // scheduler_plan.cc
  int most_in_flight() const;
  bool answering() const;
  std::vector<SequenceState*> pick_decodes();
  void reserve_decodes(std::vector<SequenceState*>& picks);
  int64_t blocks_for(const std::vector<SequenceState*>& picks) const;
  void plan_decode(SequenceState& sequence, Step& step);
  void plan_prompts(Step& step);
  int64_t plan_chunk(SequenceState& sequence, int64_t most, Step& step);
  bool admit(SequenceState& sequence);
  int64_t ready_rows(SequenceState& sequence);
  void add_part(SequenceState& sequence, int64_t count, bool draws, Step& step);
  void show_numbers(Step& step) const;
};

int64_t blocks_of_rows(int64_t rows);

}  // namespace tessera
