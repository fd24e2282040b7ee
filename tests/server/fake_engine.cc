#include "tests/server/fake_engine.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/json.h"

namespace tessera {
namespace {

constexpr int32_t kBytes = 256;  // ids from here on are special: no text

size_t prompt_tokens_of(const Request& request) {
  size_t count = request.prompt_ids.size() + request.prompt_text.value_or("").size();
  for (const Message& message : request.messages)
    count += message.text.size() + 16 * message.pictures.size();
  return count;
}

std::string usual_answer(const Request& request) {
  if (request.form.kind == AnswerForm::Kind::kJson ||
      request.form.kind == AnswerForm::Kind::kJsonSchema)
    return R"({"answer": 42})";
  if (request.messages.empty()) return " and so on";
  size_t pictures = 0;
  for (const Message& message : request.messages) pictures += message.pictures.size();
  const std::string seen = pictures == 0 ? "" : "I see " + std::to_string(pictures) + ". ";
  return seen + "You said: " + request.messages.back().text;
}

// How many bytes the character that begins with this one has.
size_t character_bytes(char first) {
  const auto byte = static_cast<uint8_t>(first);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

}  // namespace

struct FakeEngine::Job {
  Request request;
  std::shared_ptr<AnswerListener> listener;
  std::string text;     // the whole answer, of each choice
  size_t stops_at = 0;  // bytes of it before a stop string
  size_t at = 0;        // tokens made
  size_t sent = 0;      // bytes that were whole characters
  double start_s = now_s();
  double first_token_s = 0;
  bool cancelled = false;
};

FakeEngine::FakeEngine() {
  the_plan.fits = true;
  the_plan.context = context_tokens;
}
FakeEngine::~FakeEngine() = default;

RequestId FakeEngine::submit(Request request, std::shared_ptr<AnswerListener> listener) {
  if (on_submit) on_submit(request);
  const size_t tokens = prompt_tokens_of(request);
  if (static_cast<int64_t>(tokens) >= context_tokens)
    throw Error({.where = "prompt",
                 .expected = "at most " + std::to_string(context_tokens - 1) + " tokens",
                 .found = std::to_string(tokens)});
  auto job = std::make_unique<Job>();
  job->text = reply ? reply(request) : usual_answer(request);
  job->stops_at = job->text.size();
  for (const std::string& stop : request.stop_strings.value_or(std::vector<std::string>{}))
    job->stops_at = std::min(job->stops_at, job->text.find(stop));
  job->listener = std::move(listener);
  const std::lock_guard lock(mutex_);
  last_request_ = request;
  job->request = std::move(request);
  ++requests_;
  prompt_tokens_ += tokens;
  jobs_.emplace(next_id_, std::move(job));
  return next_id_++;
}

void FakeEngine::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  const auto it = jobs_.find(id);
  if (it == jobs_.end()) return;
  it->second->cancelled = true;
  ++cancelled_;
}

bool FakeEngine::step_job(Job& job) {
  const auto choices = static_cast<size_t>(job.request.choices);
  AnswerSummary summary{.prompt_tokens = static_cast<int64_t>(prompt_tokens_of(job.request)),
                        .cached_tokens = 1,
                        .new_tokens = static_cast<int64_t>(job.at * choices),
                        .queued_s = 0.001,
                        .first_token_s = job.first_token_s,
                        .total_s = now_s() - job.start_s};
  const auto end = [&](FinishReason reason) {
    summary.finish_reasons.assign(choices, reason);
    job.listener->on_end(summary);
    return false;
  };
  if (job.cancelled) return end(FinishReason::kCancelled);
  if (fails_with && job.at == fails_at) {
    summary.error = fails_with;
    return end(FinishReason::kStop);
  }
  if (job.at == job.stops_at) return end(FinishReason::kStop);
  if (static_cast<int64_t>(job.at) == job.request.max_new_tokens) return end(FinishReason::kLength);

  TokenLogprobs logprobs{.token = static_cast<uint8_t>(job.text[job.at]), .logprob = -0.5F};
  for (int64_t i = 0; i < job.request.top_logprobs.value_or(0); ++i)
    logprobs.top.emplace_back('a' + static_cast<int32_t>(i), -0.5F - static_cast<float>(i));
  ++job.at;
  if (job.first_token_s == 0) job.first_token_s = now_s() - job.start_s;
  std::string_view piece;
  if (const size_t bytes = character_bytes(job.text[job.sent]); job.at - job.sent >= bytes) {
    piece = std::string_view(job.text).substr(job.sent, bytes);
    job.sent += bytes;
  }
  for (size_t choice = 0; choice < choices; ++choice)
    job.listener->on_piece({.choice = static_cast<int>(choice),
                            .text = piece,
                            .logprobs = job.request.top_logprobs ? &logprobs : nullptr,
                            .made_s = now_s()});
  return true;
}

bool FakeEngine::step() {
  std::vector<std::pair<RequestId, Job*>> now;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, job] : jobs_) now.emplace_back(id, job.get());
  }
  for (auto& [id, job] : now) {
    bool goes_on = false;
    {
      const std::lock_guard lock(mutex_);  // its "cancelled"
      ++steps_;
      new_tokens_ += static_cast<uint64_t>(job->request.choices);
      goes_on = step_job(*job);
    }
    if (goes_on) continue;
    std::unique_ptr<Job> ended;
    const std::lock_guard lock(mutex_);
    ended = std::move(jobs_.at(id));
    jobs_.erase(id);
  }
  const std::lock_guard lock(mutex_);
  return !jobs_.empty();
}

void FakeEngine::finish() {
  while (step()) {
  }
}

void FakeEngine::run_by_itself(double period_s) {
  thread_ = std::jthread([this, period_s](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      step();
      std::this_thread::sleep_for(std::chrono::duration<double>(period_s));
    }
  });
}

size_t FakeEngine::running() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

Answer FakeEngine::generate(const Request&, const OnText&, const CancelFlag*) {
  throw Error({.where = "fake engine", .what = "serves only"});
}

EngineStatus FakeEngine::status() const {
  ++status_calls_;
  const std::lock_guard lock(mutex_);
  return {.ready = why_not_ready.empty(),
          .why_not = why_not_ready,
          .uptime_s = 12.5,
          .running = static_cast<int64_t>(jobs_.size()),
          .kv_blocks = 100,
          .kv_blocks_used = 10,
          .kv_blocks_cached = 30,
          .image_cache_bytes = 4096,
          .requests = requests_,
          .prompt_tokens = prompt_tokens_,
          .cached_prompt_tokens = prompt_tokens_ / 2,
          .new_tokens = new_tokens_,
          .pictures = 3,
          .cached_pictures = 1,
          .steps = steps_,
          .plan_epoch = 3,
          .schedule_s = 0.25,
          .micro_batches = {{.id = 7, .stage = 1, .decode_rows = 2, .prefill_rows = 5}},
          .devices = {{.name = "cpu:0",
                       .stage = 0,
                       .busy_s = 3.5,
                       .steps = 4,
                       .rows = 9,
                       .link_bytes = 1024,
                       .planned_s = 0.5,
                       .measured_s = 0.625},
                      {.name = "cpu:1", .stage = 1, .busy_s = 2}}};
}

std::vector<int32_t> FakeEngine::tokenize(std::string_view text) const {
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
  return ids;
}

std::string FakeEngine::token_bytes(int32_t id) const {
  return id < kBytes ? std::string(1, static_cast<char>(id)) : "";
}

std::string FakeEngine::detokenize(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids)
    if (id < kBytes) bytes += static_cast<char>(id);
  // As the real one: always UTF-8.
  return Json::parse(Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace))
      .get<std::string>();
}

std::vector<DeviceReport> FakeEngine::devices() const {
  return {{.name = "cpu:0",
           .first_layer = 0,
           .last_layer = 3,
           .embedding = true,
           .budget_bytes = 1 << 20,
           .planned_bytes = 1000,
           .measured_peak_bytes = 1000},
          {.name = "cpu:1",
           .first_layer = 4,
           .last_layer = 7,
           .head = true,
           .budget_bytes = 1 << 20,
           .planned_bytes = 2000,
           .measured_peak_bytes = 2000}};
}

}  // namespace tessera
