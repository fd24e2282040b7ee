#include "tests/runtime/scheduler_model.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera {
namespace {

uint64_t mix(uint64_t a, uint64_t b) {  // splitmix64's finisher
  uint64_t x = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

int32_t draw(uint64_t row, int choice) {
  return static_cast<int32_t>(mix(row, static_cast<uint64_t>(choice)) % 3);
}

}  // namespace

ScheduledRequest make_request(RequestId id, int64_t rows, int64_t max_new_tokens, int kind) {
  ScheduledRequest request;
  request.id = id;
  request.max_new_tokens = max_new_tokens;
  for (int64_t row = 0; row < rows; ++row)
    request.ids.push_back(
        static_cast<int32_t>(mix(static_cast<uint64_t>(kind), static_cast<uint64_t>(row)) % 1000));
  return request;
}

void SchedulerModel::add(const ScheduledRequest& request) {
  scheduler.add(request);
  Request& added = requests_[request.id];
  added.asked = request;
  for (int choice = 0; choice < request.choices; ++choice) added.made[choice];
}

void SchedulerModel::set_ready_rows(RequestId request, int64_t rows) {
  const auto it = requests_.find(request);
  if (it == requests_.end()) return;
  it->second.ready_rows = std::max(it->second.ready_rows, rows);
  scheduler.set_ready_rows(request, it->second.ready_rows);
}

bool SchedulerModel::plan(bool fails) {
  auto step = scheduler.plan();
  if (!step.has_value()) return false;
  in_flight_.push_back({.step = std::move(*step), .fails = fails});
  run(in_flight_.back());
  return true;
}

void SchedulerModel::commit() {
  const Run done = std::move(in_flight_.front());
  in_flight_.pop_front();
  if (done.fails) return fail(done.step);
  scheduler.commit(done.step, done.tokens);
  size_t token = 0;
  for (const StepPart& part : done.step.parts)
    for (const int choice : part.draws) {
      const int32_t drawn = done.tokens[token++];
      const auto it = requests_.find(part.sequence.request);
      if (it == requests_.end() || !it->second.made.contains(choice)) continue;
      const SequenceKey key = {.request = part.sequence.request, .choice = choice};
      std::vector<int32_t>& made = it->second.made[choice];
      // Its next token, by the rows that it would have alone.
      std::vector<uint64_t>& naive = naive_[{key.request, choice}].rows;
      const auto length =
          static_cast<int64_t>(it->second.asked.ids.size()) + static_cast<int64_t>(made.size());
      while (static_cast<int64_t>(naive.size()) < length)
        naive.push_back(mix(naive.empty() ? 0 : naive.back(),
                            input_of(it->second, choice, static_cast<int64_t>(naive.size()))));
      if (drawn != draw(naive.back(), choice)) say(part, fmt::format("token {} is wrong", length));
      made.push_back(drawn);
      if (static_cast<int64_t>(made.size()) >= it->second.asked.max_new_tokens) end(key);
    }
}

void SchedulerModel::fail(const Step& step) {
  for (const StepPart& part : step.parts)
    noisy_.erase({part.sequence.request, part.sequence.choice});
  for (const SequenceKey& lost : scheduler.abandon(step)) end(lost);
}

void SchedulerModel::end(RequestId request) {
  scheduler.end(request);
  const auto it = requests_.find(request);
  if (it == requests_.end()) return;
  for (const auto& [choice, made] : it->second.made) naive_.erase({request, choice});
  requests_.erase(it);
}

void SchedulerModel::end(SequenceKey sequence) {
  scheduler.end(sequence);
  const auto it = requests_.find(sequence.request);
  if (it == requests_.end()) return;
  naive_.erase({sequence.request, sequence.choice});
  it->second.made.erase(sequence.choice);
  if (it->second.made.empty()) requests_.erase(it);
}

void SchedulerModel::finish() {
  for (int64_t rounds = 0; live() > 0 || in_flight() > 0; ++rounds) {
    while (plan()) check();
    if (in_flight() > 0) {
      commit();
      check();
    } else if (const auto awaiting = scheduler.awaiting_pictures(); !awaiting.empty()) {
      for (const RequestId id : awaiting)
        set_ready_rows(id, static_cast<int64_t>(requests_.at(id).asked.ids.size()));
    } else {
      wrong.push_back(
          fmt::format("stalled: {} requests, {} choices run, {} wait, {} rows to come, blocks {} "
                      "used {} free {} "
                      "cached",
                      live(), scheduler.running(), scheduler.waiting(), scheduler.waiting_rows(),
                      scheduler.blocks_used(), pool.free_blocks(), scheduler.blocks_cached()));
    }
    if (rounds > 100000) wrong.emplace_back("does not end");
    if (!wrong.empty()) return;
  }
}

std::vector<RequestId> SchedulerModel::requests() const {
  std::vector<RequestId> ids;
  for (const auto& [id, request] : requests_) ids.push_back(id);
  return ids;
}

std::vector<int> SchedulerModel::choices(RequestId request) const {
  std::vector<int> live;
  for (const auto& [choice, made] : requests_.at(request).made) live.push_back(choice);
  return live;
}

const std::vector<int32_t>& SchedulerModel::tokens(SequenceKey sequence) const {
  return requests_.at(sequence.request).made.at(sequence.choice);
}

int64_t SchedulerModel::served(const std::string& user) const {
  const auto it = served_.find(user);
  return it == served_.end() ? 0 : it->second;
}

void SchedulerModel::check() {
  for (std::string& line : scheduler.violations()) wrong.push_back(std::move(line));
}

uint64_t& SchedulerModel::row_at(const StepPart& part, int64_t row) {
  return memory_[static_cast<size_t>(part.blocks[static_cast<size_t>(row / kRows)] * kRows +
                                     row % kRows)];
}

// What a row is computed from, beside the rows before it.
uint64_t SchedulerModel::input_of(const Request& request, int choice, int64_t row) const {
  for (const PromptPicture& picture : request.asked.pictures)
    if (row >= picture.first_row && row < picture.first_row + picture.rows)
      return mix(mix(picture.hash[0], picture.hash[1]),
                 static_cast<uint64_t>(row - picture.first_row));
  const auto prompt = static_cast<int64_t>(request.asked.ids.size());
  return static_cast<uint64_t>(row < prompt
                                   ? request.asked.ids[static_cast<size_t>(row)]
                                   : request.made.at(choice)[static_cast<size_t>(row - prompt)]);
}

void SchedulerModel::run(Run& run) {
  for (const BlockCopy& copy : run.step.copies)
    for (int64_t row = 0; row < kRows; ++row)
      memory_[static_cast<size_t>(copy.to * kRows + row)] =
          memory_[static_cast<size_t>(copy.from * kRows + row)];
  int64_t rows = 0, draws = 0;
  for (const StepPart& part : run.step.parts) {
    run_part(part, run.fails, run.tokens);
    rows += part.count;
    draws += static_cast<int64_t>(part.draws.size());
    served_[requests_.at(part.sequence.request).asked.user] += part.count;
  }
  if (rows != run.step.decode_rows + run.step.prefill_rows || rows > limits.rows)
    wrong.push_back(fmt::format("{} rows in a step", rows));
  if (draws > limits.running) wrong.push_back(fmt::format("{} draws in a step", draws));
  if (static_cast<int64_t>(run.step.parts.size()) > limits.running)
    wrong.push_back(fmt::format("{} parts in a step", run.step.parts.size()));
}

void SchedulerModel::run_part(const StepPart& part, bool fails, std::vector<int32_t>& tokens) {
  if (!requests_.contains(part.sequence.request)) return say(part, "has ended");
  const Request& request = requests_.at(part.sequence.request);
  const int choice = part.sequence.choice;
  if (!request.made.contains(choice)) return say(part, "has ended");
  const int64_t length = static_cast<int64_t>(request.asked.ids.size()) +
                         static_cast<int64_t>(request.made.at(choice).size());
  if (part.count < 1 || part.first + part.count > length)
    return say(part, fmt::format("has {} rows", length));
  if (static_cast<int64_t>(part.blocks.size()) != (part.first + part.count + kRows - 1) / kRows)
    return say(part, fmt::format("has {} blocks", part.blocks.size()));

  if (fails) noisy_.emplace(part.sequence.request, choice);
  if (noisy_.contains({part.sequence.request, choice})) {
    for (int64_t row = part.first; row < part.first + part.count; ++row)
      row_at(part, row) = ++noise_;
    tokens.resize(tokens.size() + part.draws.size(), -1);
    return;
  }
  std::vector<uint64_t>& naive = naive_[{part.sequence.request, choice}].rows;
  while (static_cast<int64_t>(naive.size()) < part.first + part.count)
    naive.push_back(mix(naive.empty() ? 0 : naive.back(),
                        input_of(request, choice, static_cast<int64_t>(naive.size()))));
  for (int64_t row = 0; row < part.first; ++row)
    if (row_at(part, row) != naive[static_cast<size_t>(row)])
      return say(part, fmt::format("finds another's row {}", row));
  uint64_t before = part.first == 0 ? 0 : row_at(part, part.first - 1);
  for (int64_t row = part.first; row < part.first + part.count; ++row) {
    for (const PromptPicture& picture : request.asked.pictures)
      if (row >= picture.first_row && row < picture.first_row + picture.rows &&
          row >= request.ready_rows)
        say(part, fmt::format("row {} lacks its picture", row));
    const uint64_t input = input_of(request, choice, row);
    const int32_t id = part.ids[static_cast<size_t>(row - part.first)];
    if (static_cast<int64_t>(part.ids.size()) != part.count ||
        (input < 1000 && static_cast<uint64_t>(id) != input))
      say(part, fmt::format("row {} has id {}", row, id));
    before = row_at(part, row) = mix(before, input);
  }
  if (part.draws.empty() != (part.first + part.count < length))
    say(part, fmt::format("{} draws", part.draws.size()));
  for (const int drawn : part.draws) tokens.push_back(draw(before, drawn));
}

void SchedulerModel::say(const StepPart& part, std::string what) {
  wrong.push_back(fmt::format("request {} choice {} rows {} + {}: {}", part.sequence.request,
                              part.sequence.choice, part.first, part.count, what));
}

}  // namespace tessera
