#include "model/unit.h"

#include <cassert>

#include "base/units.h"

namespace tessera {
namespace {

constexpr uint64_t kWeightAlignment = 64;  // a cache line, and the widest vector

uint64_t bytes_of(const WeightSpec& weight, Precision precision) {
  switch (weight.form) {
    case WeightForm::kMatrix:
      return PackedMatrix::bytes(precision, weight.rows, weight.cols);
    case WeightForm::kTable:
      return static_cast<uint64_t>(weight.rows * weight.cols * dtype_bytes(table_dtype(precision)));
    case WeightForm::kVector:
      return static_cast<uint64_t>(weight.rows * weight.cols * dtype_bytes(DType::kF32));
  }
  return 0;
}

}  // namespace

int64_t UnitSpec::parameters() const {
  int64_t count = 0;
  for (const WeightSpec& weight : weights) count += weight.rows * weight.cols;
  return count;
}

int64_t UnitSpec::matmul_parameters() const {
  int64_t count = 0;
  for (const WeightSpec& weight : weights)
    if (weight.form == WeightForm::kMatrix) count += weight.rows * weight.cols;
  return count;
}

UnitLayout layout_of(const UnitSpec& unit, Precision precision) {
  UnitLayout layout;
  for (const WeightSpec& weight : unit.weights) {
    layout.offsets.push_back(layout.bytes);
    layout.bytes += round_up(bytes_of(weight, precision), kWeightAlignment);
  }
  return layout;
}

UnitWeights::UnitWeights(const UnitSpec& unit, Precision precision, Device& device, void* base)
    : unit_(unit),
      precision_(precision),
      device_(device),
      base_(static_cast<std::byte*>(base)),
      layout_(layout_of(unit, precision)) {}

size_t UnitWeights::index(std::string_view name, [[maybe_unused]] WeightForm form) const {
  size_t i = 0;
  while (unit_.weights[i].name != name) ++i;
  assert(unit_.weights[i].form == form);
  return i;
}

void* UnitWeights::at(size_t index) const {
  return base_ == nullptr ? nullptr : base_ + layout_.offsets[index];
}

PackedMatrix UnitWeights::matrix(std::string_view name) const {
  const size_t i = index(name, WeightForm::kMatrix);
  const WeightSpec& weight = unit_.weights[i];
  return {.data = at(i),
          .device = &device_,
          .precision = precision_,
          .out = weight.rows,
          .in = weight.cols};
}

Tensor UnitWeights::table(std::string_view name) const {
  const size_t i = index(name, WeightForm::kTable);
  return {at(i), &device_, table_dtype(precision_), {unit_.weights[i].rows, unit_.weights[i].cols}};
}

Tensor UnitWeights::vector(std::string_view name) const {
  const size_t i = index(name, WeightForm::kVector);
  const WeightSpec& weight = unit_.weights[i];
  const Shape shape = weight.rows == 1   ? Shape{weight.cols}
                      : weight.cols == 1 ? Shape{weight.rows}
                                         : Shape{weight.rows, weight.cols};
  return {at(i), &device_, DType::kF32, shape};
}

WeightSpec vector_weight(std::string name, std::string tensor, int64_t size, WeightOrigin origin) {
  return {std::move(name),
          WeightForm::kVector,
          1,
          size,
          {{.tensor = std::move(tensor), .shape = {size}, .rows = 1, .origin = origin}}};
}

WeightSpec matrix_weight(std::string name, std::string tensor, int64_t out, int64_t in,
                         WeightOrigin origin) {
  return stacked_matrix(std::move(name), {{std::move(tensor), out}}, in, origin);
}

WeightSpec stacked_matrix(std::string name, const std::vector<StackedPart>& parts, int64_t in,
                          WeightOrigin origin) {
  WeightSpec weight{std::move(name), WeightForm::kMatrix, 0, in, {}};
  for (const StackedPart& part : parts) {
    weight.sources.push_back({.tensor = part.tensor,
                              .shape = {part.rows, in},
                              .first_row = weight.rows,
                              .rows = part.rows,
                              .origin = origin});
    weight.rows += part.rows;
  }
  return weight;
}

WeightSpec stacked_vector(std::string name, const std::vector<StackedPart>& parts,
                          WeightOrigin origin) {
  // Rows of one element each: a stacked vector is filled like a stacked matrix.
  WeightSpec weight{std::move(name), WeightForm::kVector, 0, 1, {}};
  for (const StackedPart& part : parts) {
    weight.sources.push_back({.tensor = part.tensor,
                              .shape = {part.rows},
                              .first_row = weight.rows,
                              .rows = part.rows,
                              .origin = origin});
    weight.rows += part.rows;
  }
  return weight;
}

}  // namespace tessera
