#include "runtime/step_batch.h"

#include <algorithm>

namespace tessera {
namespace {

// The rows of pictures that fall into rows [first, first + count) of the prompt; they stand in the
// batch from `at` on.
void add_pictures(const ServedRequest& request, int64_t first, int64_t count, int64_t at,
                  MicroBatch& batch) {
  const std::span<const PromptTokens::Picture> places = request.prepared().prompt.pictures;
  for (size_t i = 0; i < places.size(); ++i) {
    const int64_t begin = std::max(first, places[i].first_row);
    const int64_t end = std::min(first + count, places[i].first_row + places[i].rows);
    if (begin >= end) continue;
    const ImageRows& rows = *request.pictures()[i].picture()->rows;
    const int64_t width = std::ssize(rows.rows) / places[i].rows;
    batch.images.push_back({.rows = rows.rows.data() + (begin - places[i].first_row) * width,
                            .ready = rows.ready.get(),
                            .first_row = at + begin - first,
                            .count = end - begin});
  }
}

}  // namespace

void fill_batch(const Step& step, std::span<const std::shared_ptr<ServedRequest>> requests,
                int64_t max_blocks, MicroBatch& batch) {
  batch.max_blocks = max_blocks;
  batch.copies = step.copies;
  for (size_t i = 0; i < step.parts.size(); ++i) {
    const StepPart& part = step.parts[i];
    ServedRequest& request = *requests[i];
    const int64_t at = batch.rows();
    batch.ids.insert(batch.ids.end(), part.ids.begin(), part.ids.end());
    for (int64_t row = 0; row < part.count; ++row) {
      batch.positions.push_back(static_cast<int32_t>(part.first + row));
      batch.sequence.push_back(static_cast<int32_t>(batch.sequences));
    }
    batch.blocks.resize(static_cast<size_t>(++batch.sequences * max_blocks), 0);
    std::ranges::copy(part.blocks, batch.blocks.end() - max_blocks);
    add_pictures(request, part.first, part.count, at, batch);
    for (const int choice : part.draws) {
      batch.wanted.push_back(request.next(choice));
      batch.wanted.back().row = at + part.count - 1;
    }
  }
  // Rows of one request alone are skipped once it is cancelled.
  const bool one = std::ranges::all_of(
      requests, [&](const auto& request) { return request == requests.front(); });
  if (one) batch.cancel = &requests.front()->stopped;
}

}  // namespace tessera
