#include "runtime/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "ops/convert.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/load_plan.h"
#include "tests/runtime/goldens.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// All units of a checkpoint on one device, loaded by the test itself.
struct Loaded {
  explicit Loaded(const std::string& dir, Precision precision_in = Precision::kF32)
      : model(describe_model(read_model_config(dir))),
        weights(CheckpointWeights::open(model.config)),
        precision(precision_in) {
    for (const UnitSpec* unit : model.units()) {
      buffers.push_back(
          device->allocate(layout_of(*unit, precision).bytes, MemoryKind::kWeights, unit->name));
      targets.push_back({.unit = unit,
                         .precision = precision,
                         .device = device.get(),
                         .data = buffers.back().data()});
    }
  }

  LoadResult load(const LoadOptions& options = {}, const CancelFlag* cancel = nullptr,
                  const std::function<void(const LoadProgress&)>& progress = {}) {
    return load_weights(targets, weights, options, progress, cancel);
  }

  ModelSpec model;
  CheckpointWeights weights;
  Precision precision;
  std::unique_ptr<Device> device = open_virtual_device(
      {.name = "cpu:0", .kind = DeviceKind::kVirtual, .budget_bytes = 64ULL << 20});
  std::vector<DeviceBuffer> buffers;
  std::vector<LoadTarget> targets;
};

std::vector<float> file_values(const TensorEntry& entry) {
  const File file = File::open(entry.file);
  std::vector<std::byte> raw(entry.bytes);
  file.read_at(entry.offset, raw);
  std::vector<float> values(entry.bytes / static_cast<uint64_t>(dtype_bytes(entry.dtype)));
  convert(raw.data(), entry.dtype, values.data(), DType::kF32, static_cast<int64_t>(values.size()));
  return values;
}

float packed_value(const PackedMatrix& matrix, int64_t row, int64_t col) {
  return static_cast<const float*>(
      matrix.data)[(row / kPanelRows * matrix.in + col) * kPanelRows + row % kPanelRows];
}

TEST(Loader, PutsEveryNumberWhereItBelongs) {
  for (const char* checkpoint : {"yi_vl_tiny", "yi_vl_odd"}) {
    Loaded loaded(golden_dir(checkpoint));
    loaded.load();
    for (const LoadTarget& target : loaded.targets) {
      const UnitWeights weights(*target.unit, loaded.precision, *target.device, target.data);
      for (const WeightSpec& weight : target.unit->weights) {
        for (const WeightSource& source : weight.sources) {
          SCOPED_TRACE(target.unit->name + " " + source.tensor);
          const std::vector<float> want = file_values(loaded.weights.find(source));
          ASSERT_EQ(static_cast<int64_t>(want.size()), source.rows * weight.cols);
          int64_t wrong = 0;
          for (int64_t r = 0; r < source.rows; ++r) {
            for (int64_t c = 0; c < weight.cols; ++c) {
              const int64_t row = source.first_row + r;
              const float got = weight.form == WeightForm::kMatrix
                                    ? packed_value(weights.matrix(weight.name), row, c)
                                : weight.form == WeightForm::kTable
                                    ? weights.table(weight.name).f32(row)[c]
                                    : static_cast<const float*>(
                                          weights.vector(weight.name).data)[row * weight.cols + c];
              wrong += got != want[static_cast<size_t>(r * weight.cols + c)];
            }
          }
          EXPECT_EQ(wrong, 0);
        }
      }
    }
  }
}

TEST(Loader, ReadsEachByteOnce) {
  for (const char* checkpoint : {"yi_vl_tiny", "llama_tiny"}) {  // the second has tied embeddings
    const Loaded loaded(golden_dir(checkpoint));
    const LoadPlan plan = plan_load(loaded.targets, loaded.weights, 4096);
    std::map<std::string, uint64_t> end;  // pieces come in the order of the files, without overlap
    uint64_t total = 0;
    for (const LoadPiece& piece : plan.pieces) {
      EXPECT_GE(piece.offset, end[piece.from->name()]);
      end[piece.from->name()] = piece.offset + piece.bytes;
      total += piece.bytes;
    }
    EXPECT_EQ(total, plan.total_bytes);
    std::set<std::string> tensors;
    uint64_t wanted = 0;
    for (const LoadTarget& target : loaded.targets)
      for (const WeightSpec& weight : target.unit->weights)
        for (const WeightSource& source : weight.sources)
          if (tensors.insert(source.tensor).second) wanted += loaded.weights.find(source).bytes;
    EXPECT_EQ(total, wanted);
  }
}

TEST(Loader, HoldsItsHostCapAndSaysWhenThatIsTooSmall) {
  Loaded loaded(golden_dir("yi_vl_tiny"));
  const LoadPlan plan = plan_load(loaded.targets, loaded.weights, 8 << 20);
  const uint64_t one = plan.largest_piece_bytes;
  EXPECT_EQ(loaded.load({.host_cap_bytes = one, .readers = 8}).staging_bytes, one);
  EXPECT_LE(loaded.load({.host_cap_bytes = 3 * one, .readers = 8}).staging_bytes, 3 * one);
  EXPECT_THAT(error_of([&] { loaded.load({.host_cap_bytes = one - 1}); }),
              testing::HasSubstr("host memory for staging"));
}

TEST(Loader, ReportsProgressUpToTheEnd) {
  Loaded loaded(golden_dir("yi_vl_tiny"));
  uint64_t last = 0, total = 0;
  const LoadResult result = loaded.load({}, nullptr, [&](const LoadProgress& at) {
    EXPECT_GE(at.done_bytes, last);
    last = at.done_bytes;
    total = at.total_bytes;
  });
  EXPECT_EQ(last, result.bytes_read);
  EXPECT_EQ(total, result.bytes_read);
}

TEST(Loader, StopsWhenCancelled) {
  Loaded loaded(golden_dir("yi_vl_tiny"));
  CancelFlag cancel;
  cancel.cancel();
  EXPECT_THROW(loaded.load({}, &cancel), Cancelled);
}

TEST(Loader, SaysWhichFileShrankMeanwhile) {
  const fs::path copy = fs::path(testing::TempDir()) / fmt::format("tessera_loader_{}", ::getpid());
  fs::copy(golden_dir("yi_vl_odd"), copy, fs::copy_options::recursive);
  {
    Loaded loaded(copy.string());
    fs::resize_file(copy / "odd-00002-of-00002.safetensors", 1000);
    EXPECT_THAT(error_of([&] { loaded.load(); }),
                testing::AllOf(testing::HasSubstr("odd-00002-of-00002.safetensors"),
                               testing::HasSubstr("ends too early")));
  }
  fs::remove_all(copy);
}

TEST(Loader, ChecksShapesBeforeItReads) {
  Loaded tiny(golden_dir("yi_vl_tiny"));
  const Loaded odd(golden_dir("yi_vl_odd"));
  EXPECT_THAT(error_of([&] { load_weights(tiny.targets, odd.weights, {}, {}, nullptr); }),
              testing::HasSubstr("expected"));
}

}  // namespace
}  // namespace tessera
