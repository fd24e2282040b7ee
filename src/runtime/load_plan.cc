#include "runtime/load_plan.h"

#include <algorithm>

#include "ops/packing.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// A tensor of the checkpoint and everything that is made of it.
struct Wanted {
  const TensorEntry* entry;
  int64_t rows, cols;
  std::vector<LoadDestination> destinations;
};

void add_piece(LoadPlan& plan, LoadPiece piece) {
  plan.total_bytes += piece.bytes;
  plan.largest_piece_bytes = std::max(plan.largest_piece_bytes, piece.bytes);
  plan.pieces.push_back(std::move(piece));
}

void cut(const Wanted& wanted, const ByteSource& from, uint64_t piece_bytes, LoadPlan& plan) {
  const TensorEntry& entry = *wanted.entry;
  const auto row_bytes = static_cast<uint64_t>(wanted.cols * dtype_bytes(entry.dtype));
  // Whole panels, so that packing never comes back to a panel half done.
  const auto panels = static_cast<int64_t>(piece_bytes / (row_bytes * kPanelRows));
  const int64_t step = std::max<int64_t>(panels, 1) * kPanelRows;
  for (int64_t first = 0; first < wanted.rows; first += step) {
    const int64_t rows = std::min(step, wanted.rows - first);
    add_piece(plan, {.from = &from,
                     .offset = entry.offset + static_cast<uint64_t>(first) * row_bytes,
                     .bytes = static_cast<uint64_t>(rows) * row_bytes,
                     .dtype = entry.dtype,
                     .first_row = first,
                     .rows = rows,
                     .destinations = wanted.destinations});
  }
}

}  // namespace

LoadPlan plan_load(const std::vector<LoadTarget>& targets, const TensorStore& tensors,
                   uint64_t piece_bytes) {
  LoadPlan plan;
  std::map<std::pair<std::string, uint64_t>, Wanted> by_place;  // in the order of the files
  for (const LoadTarget& target : targets) {
    const UnitLayout layout = layout_of(*target.unit, target.precision);
    const UnitWeights weights(*target.unit, target.precision, *target.device, target.data);
    for (size_t w = 0; w < target.unit->weights.size(); ++w) {
      const WeightSpec& weight = target.unit->weights[w];
      if (weight.form == WeightForm::kMatrix && target.data != nullptr)
        plan.matrices.push_back(weights.matrix(weight.name));
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

  for (const auto& [place, wanted] : by_place) {
    std::unique_ptr<ByteSource>& file = plan.files[place.first];
    if (file == nullptr) file = tensors.open(place.first);
    cut(wanted, *file, piece_bytes, plan);
  }
  return plan;
}

void add_packed_unit(LoadPlan& plan, const LoadTarget& target, const std::string& path,
                     uint64_t data_offset, uint64_t piece_bytes) {
  std::unique_ptr<ByteSource>& from = plan.files[path];
  if (from == nullptr) from = std::make_unique<FileSource>(path);
  const UnitSpec& unit = *target.unit;
  const UnitLayout layout = layout_of(unit, target.precision);
  const UnitWeights weights(unit, target.precision, *target.device, target.data);
  for (size_t w = 0; w < unit.weights.size(); ++w) {
    const WeightSpec& weight = unit.weights[w];
    const uint64_t begin = layout.offsets[w];
    const uint64_t end = w + 1 < layout.offsets.size() ? layout.offsets[w + 1] : layout.bytes;
    // What a piece is counted in, and how many bytes that is.
    PieceForm form = PieceForm::kBytes;
    uint64_t one = 1, count = end - begin;
    if (weight.form == WeightForm::kMatrix) {
      const PackedMatrix matrix = weights.matrix(weight.name);
      if (stands_in_rows(matrix)) {
        form = PieceForm::kPanels;
        one = static_cast<uint64_t>(matrix.panel_bytes());
        count = static_cast<uint64_t>(matrix.panels());
      }
    }
    const uint64_t step = std::max<uint64_t>(piece_bytes / one, 1);
    for (uint64_t first = 0; first < count; first += step) {
      const uint64_t taken = std::min(step, count - first);
      add_piece(plan, {.from = from.get(),
                       .offset = data_offset + begin + first * one,
                       .bytes = taken * one,
                       .dtype = DType::kU8,
                       .first_row = static_cast<int64_t>(first),
                       .rows = static_cast<int64_t>(taken),
                       .destinations = {{.form = weight.form,
                                         .precision = target.precision,
                                         .dtype = DType::kU8,
                                         .data = static_cast<std::byte*>(target.data) + begin,
                                         .device = target.device,
                                         .rows = weight.rows,
                                         .cols = weight.cols,
                                         .first_row = 0}},
                       .form = form});
    }
  }
}

}  // namespace tessera
