#include "runtime/load_plan.h"

#include <algorithm>

#include "tessera/error.h"

namespace tessera {
namespace {

// A tensor of the checkpoint and everything that is made of it.
struct Wanted {
  const TensorEntry* entry;
  int64_t rows, cols;
  std::vector<LoadDestination> destinations;
};

void cut(const Wanted& wanted, const ByteSource& from, uint64_t piece_bytes, LoadPlan& plan) {
  const TensorEntry& entry = *wanted.entry;
  const auto row_bytes = static_cast<uint64_t>(wanted.cols * dtype_bytes(entry.dtype));
  // Whole panels, so that packing never comes back to a panel half done.
  const auto panels = static_cast<int64_t>(piece_bytes / (row_bytes * kPanelRows));
  const int64_t step = std::max<int64_t>(panels, 1) * kPanelRows;
  for (int64_t first = 0; first < wanted.rows; first += step) {
    const int64_t rows = std::min(step, wanted.rows - first);
    const uint64_t bytes = static_cast<uint64_t>(rows) * row_bytes;
    plan.pieces.push_back({.from = &from,
                           .offset = entry.offset + static_cast<uint64_t>(first) * row_bytes,
                           .bytes = bytes,
                           .dtype = entry.dtype,
                           .first_row = first,
                           .rows = rows,
                           .destinations = wanted.destinations});
    plan.total_bytes += bytes;
    plan.largest_piece_bytes = std::max(plan.largest_piece_bytes, bytes);
  }
}

}  // namespace

LoadPlan plan_load(const std::vector<LoadTarget>& targets, const TensorStore& tensors,
                   uint64_t piece_bytes) {
  std::map<std::pair<std::string, uint64_t>, Wanted> by_place;  // in the order of the files
  for (const LoadTarget& target : targets) {
    const UnitLayout layout = layout_of(*target.unit, target.precision);
    for (size_t w = 0; w < target.unit->weights.size(); ++w) {
      const WeightSpec& weight = target.unit->weights[w];
      for (const WeightSource& source : weight.sources) {
        const TensorEntry& entry = tensors.find(source);
        if (target.data == nullptr) continue;  // simulated: checked, not read
        Wanted& wanted = by_place[{entry.file, entry.offset}];
        wanted.entry = &entry;
        wanted.rows = source.rows;
        wanted.cols = weight.cols;
        wanted.destinations.push_back(
            {.form = weight.form,
             .precision = target.precision,
             .dtype =
                 weight.form == WeightForm::kVector ? DType::kF32 : table_dtype(target.precision),
             .data = static_cast<std::byte*>(target.data) + layout.offsets[w],
             .device = target.device,
             .rows = weight.rows,
             .cols = weight.cols,
             .first_row = source.first_row});
      }
    }
  }

  LoadPlan plan;
  for (const auto& [place, wanted] : by_place) {
    std::unique_ptr<ByteSource>& file = plan.files[place.first];
    if (file == nullptr) file = tensors.open(place.first);
    cut(wanted, *file, piece_bytes, plan);
  }
  return plan;
}

}  // namespace tessera
