#include "runtime/sequence_runner.h"

#include <algorithm>
#include <deque>

namespace tessera {
namespace {

void add_blocks(MicroBatch& batch, const BlockTable& table) {
  const auto row = static_cast<size_t>(batch.sequences++ * batch.max_blocks);
  batch.blocks.resize(row + static_cast<size_t>(batch.max_blocks), 0);
  std::ranges::copy(table.blocks(), batch.blocks.begin() + static_cast<std::ptrdiff_t>(row));
}

// The rows of pictures that fall into rows [first, first + count) of the prompt.
void add_pictures(MicroBatch& batch, const PromptTokens& prompt,
                  std::span<const std::unique_ptr<ImageRows>> pictures, int64_t first,
                  int64_t count) {
  for (size_t i = 0; i < prompt.pictures.size(); ++i) {
    const PromptTokens::Picture& picture = prompt.pictures[i];
    const int64_t begin = std::max(first, picture.first_row);
    const int64_t end = std::min(first + count, picture.first_row + picture.rows);
    if (begin >= end) continue;
    const ImageRows& rows = *pictures[i];
    const auto width = static_cast<int64_t>(rows.rows.size()) / picture.rows;
    batch.images.push_back({.rows = rows.rows.data() + (begin - picture.first_row) * width,
                            .ready = rows.ready.get(),
                            .first_row = begin - first,
                            .count = end - begin});
  }
}

}  // namespace

// The micro-batches in flight, oldest first; waits for all of them when it goes.
class SequenceRunner::InFlight {
 public:
  /// `on_done` sees each batch that came back whole, in order, while its results are there.
  using OnDone = std::function<void(const MicroBatch&)>;
  explicit InFlight(Pipeline& pipeline, OnDone on_done = {})
      : pipeline_(pipeline), on_done_(std::move(on_done)) {}
  ~InFlight() {
    on_done_ = {};
    while (!batches_.empty()) {
      try {
        pop();
      } catch (const std::exception&) {  // the first failure is already on its way up
      }
    }
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  /// A free batch, to be filled; waits for the oldest one when there is none.
  MicroBatch& acquire() {
    if (pipeline_.free_slots() == 0) pop();
    return pipeline_.acquire();
  }

  void submit(MicroBatch& batch) {
    batches_.push_back(&batch);
    pipeline_.submit(batch);
  }

  /// Waits for all but the newest, then gives the newest's results.
  StepResult finish() {
    StepResult result;
    while (!batches_.empty()) result = pop();
    return result;
  }

 private:
  StepResult pop() {
    MicroBatch& batch = *batches_.front();
    batches_.pop_front();
    struct Release {
      Pipeline& pipeline;
      MicroBatch& batch;
      ~Release() { pipeline.release(batch); }
    } release{pipeline_, batch};
    pipeline_.wait(batch);
    if (on_done_ && !batch.stopped()) on_done_(batch);
    return {.cancelled = batch.stopped(),
            .tokens = std::move(batch.tokens),
            .logprobs = std::move(batch.logprobs),
            .logits = std::move(batch.logits)};
  }

  Pipeline& pipeline_;
  OnDone on_done_;
  std::deque<MicroBatch*> batches_;
};

// Rows [first, first + count) of the prompt; the wanted ones count from `first`.
void SequenceRunner::submit_chunk(InFlight& in_flight, const PromptTokens& prompt,
                                  std::span<const std::unique_ptr<ImageRows>> pictures,
                                  BlockTable& table, int64_t first, int64_t count,
                                  std::span<const WantedRow> wanted, bool want_logits,
                                  const CancelFlag* cancel) {
  MicroBatch& batch = in_flight.acquire();
  batch.cancel = cancel;
  batch.max_blocks = pipeline_.limits().max_blocks;
  for (int64_t row = 0; row < count; ++row) {
    batch.ids.push_back(prompt.ids[static_cast<size_t>(first + row)]);
    batch.positions.push_back(static_cast<int32_t>(first + row));
    batch.sequence.push_back(0);
  }
  add_pictures(batch, prompt, pictures, first, count);
  batch.wanted.assign(wanted.begin(), wanted.end());
  batch.want_logits = want_logits && !wanted.empty();
  // From here on the batch must be submitted: a slot taken is only given back by its wait.
  try {
    table.prepare(first, count, batch.copies);
  } catch (...) {
    pipeline_.release(batch);
    throw;
  }
  add_blocks(batch, table);
  in_flight.submit(batch);
}

StepResult SequenceRunner::prefill(const PromptTokens& prompt,
                                   std::span<const std::unique_ptr<ImageRows>> pictures,
                                   BlockTable& table, const WantedRow& wanted, bool want_logits,
                                   const CancelFlag* cancel) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  InFlight in_flight(pipeline_);
  for (int64_t first = 0; first < tokens; first += chunk_tokens_) {
    if (cancel != nullptr && cancel->cancelled()) return {.cancelled = true};
    const int64_t count = std::min(chunk_tokens_, tokens - first);
    std::vector<WantedRow> last;
    if (first + count == tokens) {
      last.push_back(wanted);
      last.back().row = count - 1;
    }
    submit_chunk(in_flight, prompt, pictures, table, first, count, last, want_logits, cancel);
  }
  return in_flight.finish();
}

bool SequenceRunner::score(const PromptTokens& prompt,
                           std::span<const std::unique_ptr<ImageRows>> pictures, BlockTable& table,
                           int64_t first_wanted, const OnLogits& on_logits,
                           const CancelFlag* cancel) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  const int64_t step = std::min(chunk_tokens_, pipeline_.limits().wanted);
  InFlight in_flight(pipeline_, [&](const MicroBatch& batch) {
    if (!batch.wanted.empty())
      on_logits(batch.positions.front() + batch.wanted.front().row, batch.logits);
  });
  for (int64_t first = 0; first < tokens; first += step) {
    if (cancel != nullptr && cancel->cancelled()) return false;
    const int64_t count = std::min(step, tokens - first);
    std::vector<WantedRow> wanted;
    for (int64_t row = std::max<int64_t>(first_wanted - first, 0); row < count; ++row)
      wanted.push_back({.row = row});
    submit_chunk(in_flight, prompt, pictures, table, first, count, wanted, true, cancel);
  }
  return !in_flight.finish().cancelled;
}

StepResult SequenceRunner::decode(std::span<const DecodeRow> rows, bool want_logits,
                                  const CancelFlag* cancel) {
  InFlight in_flight(pipeline_);
  MicroBatch& batch = in_flight.acquire();
  batch.cancel = cancel;
  batch.want_logits = want_logits;
  batch.max_blocks = pipeline_.limits().max_blocks;
  try {
    for (const DecodeRow& row : rows) {
      row.table->prepare(row.position, 1, batch.copies);
      batch.ids.push_back(row.token);
      batch.positions.push_back(static_cast<int32_t>(row.position));
      batch.sequence.push_back(static_cast<int32_t>(batch.sequences));
      batch.wanted.push_back(row.wanted);
      batch.wanted.back().row = static_cast<int64_t>(batch.wanted.size()) - 1;
      add_blocks(batch, *row.table);
    }
  } catch (...) {
    pipeline_.release(batch);
    throw;
  }
  in_flight.submit(batch);
  return in_flight.finish();
}

}  // namespace tessera
