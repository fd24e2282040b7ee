#include "runtime/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/clock.h"
#include "ops/convert.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/load_plan.h"
#include "tests/runtime/goldens.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// All units of a checkpoint, dealt out to devices and loaded by the test itself.
struct Loaded {
  explicit Loaded(const std::string& dir, Precision precision_in = Precision::kF32,
                  size_t device_count = 1)
      : model(describe_model(read_model_config(dir))),
        weights(CheckpointWeights::open(model.config)),
        precision(precision_in) {
    for (size_t i = 0; i < device_count; ++i)
      devices.push_back(open_virtual_device({.name = fmt::format("cpu:{}", i),
                                             .kind = DeviceKind::kVirtual,
                                             .budget_bytes = 64ULL << 20}));
    for (const UnitSpec* unit : model.units()) {
      Device& device = *devices[targets.size() % device_count];
      buffers.push_back(
          device.allocate(layout_of(*unit, precision).bytes, MemoryKind::kWeights, unit->name));
      targets.push_back(
          {.unit = unit, .precision = precision, .device = &device, .data = buffers.back().data()});
    }
  }

  LoadResult load(const LoadOptions& options = {}, const CancelFlag* cancel = nullptr,
                  const std::function<void(const LoadProgress&)>& progress = {}) {
    return load_weights(targets, weights, options, progress, cancel);
  }

  ModelSpec model;
  CheckpointWeights weights;
  Precision precision;
  std::vector<std::unique_ptr<Device>> devices;
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

// A checkpoint whose every read is seen.
class WatchedWeights final : public TensorStore {
 public:
  using OnRead = std::function<void(const std::string& file, uint64_t offset, uint64_t bytes)>;
  WatchedWeights(const CheckpointWeights& weights, OnRead on_read)
      : weights_(weights), on_read_(std::move(on_read)) {}

  const TensorEntry& find(const WeightSource& source) const override {
    return weights_.find(source);
  }
  std::unique_ptr<ByteSource> open(const std::string& file) const override {
    return std::make_unique<Source>(file, on_read_);
  }

 private:
  class Source final : public ByteSource {
   public:
    Source(const std::string& path, const OnRead& on_read) : file_(path), on_read_(on_read) {}
    const std::string& name() const override { return file_.name(); }
    uint64_t size() const override { return file_.size(); }
    void read_at(uint64_t offset, std::span<std::byte> out) const override {
      on_read_(file_.name(), offset, out.size());
      file_.read_at(offset, out);
    }

   private:
    FileSource file_;
    const OnRead& on_read_;
  };

  const CheckpointWeights& weights_;
  const OnRead on_read_;
};

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

// What is really read, by several readers, for units that lie on two devices in turn: the embedding
// and the head that it is tied to in llama_tiny on different ones.
TEST(Loader, ReadsEachByteOnceForSeveralDevices) {
  for (const char* checkpoint : {"yi_vl_tiny", "llama_tiny", "yi_vl_odd"})
    for (const size_t device_count : {size_t{2}, size_t{3}}) {
      SCOPED_TRACE(fmt::format("{} on {}", checkpoint, device_count));
      Loaded loaded(golden_dir(checkpoint), Precision::kF32, device_count);
      std::mutex mutex;
      std::map<std::pair<std::string, uint64_t>, uint64_t> reads;  // bytes by place
      uint64_t calls = 0, bytes_read = 0;
      const WatchedWeights watched(loaded.weights,
                                   [&](const std::string& file, uint64_t offset, uint64_t bytes) {
                                     const std::lock_guard lock(mutex);
                                     reads[{file, offset}] = bytes;
                                     ++calls;
                                     bytes_read += bytes;
                                   });
      const LoadResult result = load_weights(loaded.targets, watched, {.readers = 3}, {}, nullptr);

      uint64_t wanted = 0;  // tensors of the model, each once
      std::set<std::pair<std::string, uint64_t>> tensors;
      std::map<std::string, std::set<const Device*>> devices_of;
      for (const LoadTarget& target : loaded.targets)
        for (const WeightSpec& weight : target.unit->weights)
          for (const WeightSource& source : weight.sources) {
            const TensorEntry& entry = loaded.weights.find(source);
            devices_of[source.tensor].insert(target.device);
            if (tensors.insert({entry.file, entry.offset}).second) wanted += entry.bytes;
          }
      EXPECT_EQ(bytes_read, wanted);
      EXPECT_EQ(result.bytes_read, wanted);
      EXPECT_EQ(calls, reads.size());  // no place twice
      std::map<std::string, uint64_t> end;
      for (const auto& [place, bytes] : reads) {
        EXPECT_GE(place.second, end[place.first]) << place.first;
        end[place.first] = place.second + bytes;
      }
      if (loaded.model.config.decoder.tie_embeddings) {
        EXPECT_EQ(devices_of.at("model.embed_tokens.weight").size(), 2U);
      }
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

// Ctrl-C while the disk is slow: a load in its middle ends with the reads that are under way.
TEST(Loader, StopsInTheMiddleWhenCancelled) {
  constexpr double kRead_s = 0.02;
  constexpr uint64_t kReads = 8;
  constexpr int kReaders = 3;
  CancelFlag cancel;
  std::atomic<uint64_t> reads = 0, reading = 0;
  std::atomic<double> cancelled_s = 0;
  Loaded loaded(golden_dir("yi_vl_tiny"), Precision::kF32, 2);
  const WatchedWeights slow(loaded.weights, [&](const std::string&, uint64_t, uint64_t) {
    ++reading;
    if (++reads == kReads) {
      cancelled_s = now_s();
      cancel.cancel();
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(kRead_s));
    --reading;
  });
  const size_t pieces = plan_load(loaded.targets, slow, 8 << 20).pieces.size();
  EXPECT_GT(pieces, 4 * kReads);
  EXPECT_THROW(load_weights(loaded.targets, slow, {.readers = kReaders}, {}, &cancel), Cancelled);
  EXPECT_LT(now_s() - cancelled_s, 1);      // a read's time, on a busy machine
  EXPECT_EQ(reading, 0U);                   // no reader is left
  EXPECT_LE(reads, kReads + kReaders - 1);  // those that had looked before
  const uint64_t reads_then = reads;
  std::this_thread::sleep_for(std::chrono::duration<double>(2 * kRead_s));
  EXPECT_EQ(reads, reads_then);

  // Nothing but the units' own memory is booked, and that goes with them.
  for (const auto& device : loaded.devices) {
    const Ledger& ledger = device->ledger();
    EXPECT_EQ(ledger.used_bytes(), ledger.used_bytes(MemoryKind::kWeights));
  }
  loaded.buffers.clear();
  for (const auto& device : loaded.devices) EXPECT_EQ(device->ledger().used_bytes(), 0U);
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
