#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "device/device.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace tessera {

/// The smallest thing that is placed on a device.
enum class UnitKind : uint8_t { kVision, kEmbedding, kLayer, kHead };

/// Which file set of the checkpoint a tensor comes from: the vision tower of a Yi-VL folder has a
/// folder of its own.
enum class WeightOrigin : uint8_t { kMain, kVision };

/// One checkpoint tensor and the rows of the weight that it fills.
struct WeightSource {
  std::string tensor;
  std::vector<int64_t> shape;  ///< as the checkpoint must have it
  int64_t first_row = 0;
  int64_t rows = 0;
  WeightOrigin origin = WeightOrigin::kMain;
};

enum class WeightForm : uint8_t {
  kMatrix,  ///< of a matmul: packed in panels, stored in the unit's precision
  kTable,   ///< rows that are looked up: dense, in table_dtype of the unit's precision
  kVector,  ///< norms, biases, positions: dense f32
};

/// One weight on the device, [rows, cols], put together from one or more tensors: q, k and v are
/// one matrix, gate and up another, so that a layer is four matmuls.
struct WeightSpec {
  std::string name;
  WeightForm form;
  int64_t rows, cols;
  std::vector<WeightSource> sources;
};

/// A unit before it is loaded.
struct UnitSpec {
  std::string name;  ///< "layer 17", "head"; the owner in the ledger
  UnitKind kind;
  int64_t layer = -1;  ///< of a decoder layer
  std::vector<WeightSpec> weights = {};

  int64_t parameters() const;
  int64_t matmul_parameters() const;  ///< those that each token is multiplied with
};

/// Where each weight of a unit lies in the unit's one buffer.
struct UnitLayout {
  std::vector<uint64_t> offsets;  ///< as UnitSpec::weights
  uint64_t bytes = 0;             ///< of the whole unit
};

/// Tables are stored in f32 or bf16, whatever the precision of the matrices.
constexpr DType table_dtype(Precision precision) {
  return precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
}

/// What a unit is stored in when `wanted` is asked of the whole model: towers and embeddings stay
/// at 16 bits or more, the head at 8 or more.
constexpr Precision stored_precision(UnitKind kind, Precision wanted) {
  if (kind == UnitKind::kLayer) return wanted;
  return std::min(wanted, kind == UnitKind::kHead ? Precision::kInt8 : Precision::kBF16);
}

UnitLayout layout_of(const UnitSpec& unit, Precision precision);

/// The number of the layout that layout_of and pack_rows make. Raised whenever the same bytes would
/// mean another weight, so that packed copies of before are refused instead of misread.
inline constexpr int64_t kUnitLayoutVersion = 2;

/// The weights of one loaded unit by name. The buffer belongs to the stage.
class UnitWeights {
 public:
  UnitWeights(const UnitSpec& unit, Precision precision, Device& device, void* base);

  PackedMatrix matrix(std::string_view name) const;
  Tensor table(std::string_view name) const;
  Tensor vector(std::string_view name) const;  ///< [n] when either side is 1, else [rows, cols]

 private:
  size_t index(std::string_view name, WeightForm form) const;
  void* at(size_t index) const;

  const UnitSpec& unit_;
  const Precision precision_;
  Device& device_;
  std::byte* const base_;
  const UnitLayout layout_;
};

/// Specs of the shapes that all architectures share.
WeightSpec vector_weight(std::string name, std::string tensor, int64_t size,
                         WeightOrigin origin = WeightOrigin::kMain);
WeightSpec matrix_weight(std::string name, std::string tensor, int64_t out, int64_t in,
                         WeightOrigin origin = WeightOrigin::kMain);
/// Tensors [rows_i, in] stacked into one matrix.
struct StackedPart {
  std::string tensor;
  int64_t rows;
};
WeightSpec stacked_matrix(std::string name, const std::vector<StackedPart>& parts, int64_t in,
                          WeightOrigin origin = WeightOrigin::kMain);
/// Biases [rows_i] stacked into one vector.
WeightSpec stacked_vector(std::string name, const std::vector<StackedPart>& parts,
                          WeightOrigin origin = WeightOrigin::kMain);

}  // namespace tessera
