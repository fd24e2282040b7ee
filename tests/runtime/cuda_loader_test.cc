// What loading leaves in a GPU's memory: the numbers that it leaves in a CPU device's.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "runtime/device_feed.h"
#include "tessera/pack.h"
#include "tests/runtime/cuda_engine_fixture.h"
#include "tests/runtime/loaded_units.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

class CudaLoader : public OnGpus {};

std::vector<std::byte> bytes_of(const LoadTarget& target) {
  std::vector<std::byte> bytes(layout_of(*target.unit, target.precision).bytes);
  target.device->read(bytes, target.data);
  return bytes;
}

// A matrix of floats in panels as a GPU has it: row by row, element by element.
std::vector<std::byte> in_rows(const PackedMatrix& matrix, const std::byte* panels) {
  const auto size = static_cast<size_t>(matrix.format().bits / 8);
  const auto per_word = static_cast<int64_t>(4 / size);
  std::vector<std::byte> rows(matrix.bytes());
  for (int64_t row = 0; row < matrix.panels() * kPanelRows; ++row)
    for (int64_t in = 0; in < matrix.padded_in(); ++in) {
      const int64_t word = row / kPanelRows * matrix.padded_in() / per_word + in / per_word;
      const int64_t from = (word * kPanelRows + row % kPanelRows) * per_word + in % per_word;
      std::memcpy(&rows[static_cast<size_t>(row * matrix.padded_in() + in) * size],
                  panels + static_cast<size_t>(from) * size, size);
    }
  return rows;
}

// A matrix of codes with zeros where nothing is said, which nobody writes: panels and their scales
// end on a multiple of 64 bytes.
std::vector<std::byte> without_gaps(const PackedMatrix& matrix, const std::byte* panels) {
  std::vector<std::byte> kept(panels, panels + matrix.bytes());
  const int64_t scales = matrix.groups() * kPanelRows * 2;
  const int64_t codes = matrix.padded_in() * kPanelRows * matrix.format().bits / 8;
  for (int64_t panel = 0; panel < matrix.panels(); ++panel) {
    std::byte* at = kept.data() + panel * matrix.panel_bytes();
    std::fill(at + scales, at + matrix.scale_bytes(), std::byte{0});
    std::fill(at + matrix.scale_bytes() + codes, at + matrix.panel_bytes(), std::byte{0});
  }
  return kept;
}

// Names of the weights whose bytes on the GPU are not those of the CPU's.
std::string weights_that_differ(const LoadTarget& gpu, const LoadTarget& cpu) {
  std::string names;
  const std::vector<std::byte> got = bytes_of(gpu), want = bytes_of(cpu);
  const UnitLayout layout = layout_of(*cpu.unit, cpu.precision);
  const UnitWeights weights(*cpu.unit, cpu.precision, *cpu.device, cpu.data);
  for (size_t w = 0; w < layout.offsets.size(); ++w) {
    const WeightSpec& weight = cpu.unit->weights[w];
    const std::byte* from = want.data() + layout.offsets[w];
    const std::byte* found = got.data() + layout.offsets[w];
    std::vector<std::byte> expected;
    std::vector<std::byte> there;
    if (weight.form == WeightForm::kMatrix) {
      const PackedMatrix matrix = weights.matrix(weight.name);
      const bool integer = matrix.format().integer;
      expected = integer ? without_gaps(matrix, from) : in_rows(matrix, from);
      there = integer ? without_gaps(matrix, found) : std::vector(found, found + matrix.bytes());
    } else {
      const DType dtype =
          weight.form == WeightForm::kTable ? table_dtype(cpu.precision) : DType::kF32;
      const int64_t bytes = weight.rows * weight.cols * dtype_bytes(dtype);
      expected = std::vector(from, from + bytes);
      there = std::vector(found, found + bytes);
    }
    if (there != expected) names += cpu.unit->name + " " + weight.name + "; ";
  }
  return names;
}

void expect_same(LoadedUnits& gpus, LoadedUnits& cpu) {
  gpus.load();
  cpu.load();
  for (size_t i = 0; i < cpu.targets.size(); ++i)
    EXPECT_EQ(weights_that_differ(gpus.targets[i], cpu.targets[i]), "");
  for (const auto& device : gpus.devices)
    EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kFixed),
              kCudaWorkspaces * cuda_workspace_bytes(kLoadBudget));
}

class CudaLoaderFormats : public CudaLoader, public testing::WithParamInterface<Precision> {};

// One of odd sizes, and one whose head is its token table, read once for two devices.
TEST_P(CudaLoaderFormats, AreTheCpusByteForByteFromCheckpointsAndPackedCopies) {
  for (const char* checkpoint : {"yi_vl_odd", "llama_tiny"}) {
    SCOPED_TRACE(checkpoint);
    const std::string dir = golden_dir(checkpoint);
    LoadedUnits gpus(dir, GetParam(), three_gpus()), cpu(dir, GetParam(), one_cpu());
    expect_same(gpus, cpu);

    const TempFolder folder;
    const std::string packed = folder.path("packed");
    pack_model(
        {.model_path = dir, .out = packed, .precision = std::string(precision_name(GetParam()))});
    LoadedUnits packed_gpus(packed, GetParam(), three_gpus());
    expect_same(packed_gpus, cpu);
  }
}

INSTANTIATE_TEST_SUITE_P(, CudaLoaderFormats,
                         testing::Values(Precision::kF32, Precision::kBF16, Precision::kInt8,
                                         Precision::kInt6, Precision::kInt5, Precision::kInt4),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

TEST_F(CudaLoader, HoldsItsHostCap) {
  const std::string dir = golden_dir("yi_vl_tiny");
  LoadedUnits gpus(dir, Precision::kBF16, three_gpus()), cpu(dir, Precision::kBF16, one_cpu());
  cpu.load();
  const uint64_t piece = load_piece_bytes(gpus.devices[0]->info());
  const LoadOptions tight{.host_cap_bytes = piece, .readers = 4};
  EXPECT_LE(gpus.load(tight).staging_bytes, piece);
  EXPECT_LE(gpus.load({.host_cap_bytes = 3 * piece, .readers = 4}).staging_bytes, 3 * piece);
  for (size_t i = 0; i < cpu.targets.size(); ++i)
    EXPECT_EQ(weights_that_differ(gpus.targets[i], cpu.targets[i]), "");
}

}  // namespace
}  // namespace tessera
